import { OciError } from "../oci-error.ts";

/** Names an artifact in a container registry. */
export interface OciReference {
  /** Host, with its port if it has one. */
  readonly host: string;
  readonly repository: string;
  /** A tag, or a digest such as `sha256:…`. */
  readonly tag: string;
}

const repositoryPattern = /^[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/;

/**
 * Reads `oci://host[:port]/repository[:tag|@sha256:digest]`; without a tag it is `latest`.
 *
 * @throws OciError `invalid`
 * @see OCI distribution specification 1.1, "Pulling manifests"
 */
export function parseOciReference(text: string): OciReference {
  const [, host = "", rest = ""] = /^oci:\/\/([^/]+)\/(.+)$/.exec(text) ?? [];
  const [, repository = "", tag = "latest", digest] =
    /^([^:@]+)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(rest) ?? [];
  const isHost = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?$/.test(host);
  if (isHost && repositoryPattern.test(repository)) {
    return { host, repository, tag: digest ?? tag };
  }
  throw new OciError(
    "invalid",
    `invalid reference "${text}"; expected oci://host/repository:tag, the repository in lower case, such as oci://registry.example/resnet50:1`,
  );
}

/** Writes a reference without its scheme, as container tools print it. */
export function ociText({ host, repository, tag }: OciReference): string {
  return `${host}/${repository}${tag.startsWith("sha256:") ? "@" : ":"}${tag}`;
}
