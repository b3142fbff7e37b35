import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CallOptions } from "@tensorgate/client-core";
import { cutText, InvalidRequestError } from "@tensorgate/core";
import type { ModelSpecSchema } from "@tensorgate/proto/tensorgate/v1/scoring";

/**
 * Returns the model spec of a call.
 *
 * @throws InvalidRequestError if version and label are both given, or the version is not a whole number
 */
export function modelSpecFrom(
  name: string,
  { version, versionLabel }: CallOptions,
  signatureName = "",
): MessageInitShape<typeof ModelSpecSchema> {
  if (version !== undefined && versionLabel !== undefined) {
    throw new InvalidRequestError("set version or versionLabel, not both", { field: "version" });
  }
  const spec = { name, signatureName };
  if (versionLabel !== undefined) {
    return { ...spec, versionChoice: { case: "versionLabel" as const, value: versionLabel } };
  }
  if (version === undefined) return spec;
  if (!/^\d{1,18}$/.test(String(version))) {
    throw new InvalidRequestError(
      `version must be a whole number, got ${cutText(String(version), 20)}`,
      {
        field: "version",
      },
    );
  }
  return { ...spec, versionChoice: { case: "version" as const, value: BigInt(version) } };
}
