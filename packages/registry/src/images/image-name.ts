import { OciError, type OciReference, parseOciReference } from "@tensorgate/oci-image";
import { RegistryError } from "../registry-error.ts";

/** Name of an image: that of a container registry, or one without a host, which stays on this machine. */
export interface ImageName {
  readonly text: string;
  readonly tag: string;
  /** Where it is pushed; undefined without a host. */
  readonly remote: OciReference | undefined;
}

/**
 * Reads `registry.example/resnet50-image:1` or `resnet50-image:1`. As for Docker, a first part with a dot or a port, or
 * `localhost`, is a host.
 *
 * @throws RegistryError `invalid`
 */
export function parseImageName(text: string): ImageName {
  const [first = "", ...rest] = text.split("/");
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  try {
    const reference = parseOciReference(`oci://${hasHost ? text : `local/${text}`}`);
    if (!reference.tag.startsWith("sha256:")) {
      return { text, tag: reference.tag, remote: hasHost ? reference : undefined };
    }
  } catch (thrown) {
    if (!(thrown instanceof OciError)) throw thrown;
  }
  throw new RegistryError(
    "invalid",
    `invalid name of an image "${text}"; expected lower case, such as registry.example/resnet50-image:1`,
  );
}
