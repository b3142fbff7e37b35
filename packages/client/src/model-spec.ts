import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, versionChoice } from "@tensorgate/client-core";
import type { ModelSpecSchema } from "@tensorgate/proto/tensorgate/v1/scoring";

/**
 * Returns the model spec of a call.
 *
 * @throws InvalidRequestError if version and label are both given, or the version is not a whole number
 */
export function modelSpecFrom(
  name: string,
  options: CallOptions,
  signatureName = "",
): MessageInitShape<typeof ModelSpecSchema> {
  const spec = { name, signatureName };
  const { version, versionLabel } = versionChoice(options);
  if (versionLabel !== undefined) {
    return { ...spec, versionChoice: { case: "versionLabel" as const, value: versionLabel } };
  }
  if (version === undefined) return spec;
  return { ...spec, versionChoice: { case: "version" as const, value: BigInt(version) } };
}
