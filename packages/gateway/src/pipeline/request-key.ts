import { createHash, type Hash } from "node:crypto";
import type { CallContext, ScoreRequest, Tensor } from "@tensorgate/core";

/**
 * What two requests have in common that may share an answer: model and version, what is asked for, where it may be
 * answered, and a SHA-256 of everything that is sent.
 *
 * @param versionNow - the version that a request without one gets, so that a new one is never answered for by the old
 */
export function requestKey(
  { modelSpec, inputs, outputFilter }: ScoreRequest,
  { wishes }: CallContext,
  versionNow: bigint | undefined,
): string {
  const { name, version, versionLabel = "", signatureName = "" } = modelSpec;
  const hash = createHash("sha256");
  // A residency is a promise: an answer that was computed elsewhere must not keep it.
  const residency = wishes.residency ? wishes.residency.toSorted() : null;
  const asked = [name, String(version ?? versionNow ?? ""), versionLabel, signatureName];
  hash.update(JSON.stringify([asked, outputFilter.toSorted(), wishes.region ?? null, residency]));
  const sorted = [...inputs].toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [input, tensor] of sorted) addTensor(hash, input, tensor);
  return hash.digest("base64");
}

/** Lengths stand before what they are of, so that nothing can be taken for something else. */
function addTensor(hash: Hash, name: string, tensor: Tensor): void {
  const parts = tensor.dtype === "BYTES" ? tensor.elements : [tensor.data];
  const lengths = parts.map(({ byteLength }) => byteLength);
  hash.update(JSON.stringify([name, tensor.dtype, tensor.shape, lengths]));
  for (const part of parts) hash.update(part);
}
