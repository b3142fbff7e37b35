import { createHash, type Hash } from "node:crypto";
import type { CallContext, Parameters, ResolvedRequest, Tensor } from "@tensorgate/core";

/**
 * Digests what two requests have in common that may share an answer of one version: the release, what is asked for,
 * where it may be answered, and everything that is sent (SHA-256).
 */
export function requestDigest(
  { modelSpec, model, inputs, outputFilter, parameters }: ResolvedRequest,
  { hints }: CallContext,
): string {
  const { versionLabel = "", signatureName = "" } = modelSpec;
  const hash = createHash("sha256");
  // An answer that was computed outside the residency of a call must not be returned to it.
  const residency = hints.residency ? hints.residency.toSorted() : null;
  const asked = [model.name, model.revision, versionLabel, signatureName];
  hash.update(JSON.stringify([asked, outputFilter.toSorted(), hints.region ?? null, residency]));
  if (parameters) hash.update(JSON.stringify(sortedTexts(parameters)));
  const sorted = [...inputs].toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [input, tensor] of sorted) addTensor(hash, input, tensor);
  return hash.digest("base64");
}

/** Names, types and values; JSON has neither bigint nor infinities. */
function sortedTexts(parameters: Parameters): readonly (readonly string[])[] {
  return [...parameters]
    .map(([name, value]) => [name, typeof value, String(value)])
    .toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1));
}

/** Adds a tensor with the lengths of its parts before them, so that no two tensors have the same digest input. */
function addTensor(hash: Hash, name: string, tensor: Tensor): void {
  const parts = tensor.dtype === "BYTES" ? tensor.elements : [tensor.data];
  const lengths = parts.map(({ byteLength }) => byteLength);
  hash.update(JSON.stringify([name, tensor.dtype, tensor.shape, lengths]));
  for (const part of parts) hash.update(part);
}
