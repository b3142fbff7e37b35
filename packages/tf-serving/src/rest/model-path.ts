import type { ModelSpec } from "@tensorgate/core";

/** What a path of TensorFlow Serving's REST API asks for. */
export interface ModelPath {
  /** Empty for the list of models, which the original does not have. */
  readonly model: string;
  /** As it is written: decimal digits. */
  readonly version?: string;
  readonly versionLabel?: string;
  /** `predict`, `classify` or `regress` after a colon, `metadata` after a slash; as written, in any letter case. */
  readonly verb: string;
}

const names = "(?:/versions/(\\d+)|/labels/([^/:]+))?";
const postPath = new RegExp(`^/v1/models/([^/:]+)${names}:(classify|regress|predict)$`, "i");
const getPath = new RegExp(`^/v1/models(?:/([^/:]+))?${names}(?:/(metadata))?$`, "i");

/**
 * Reads a path, which includes the query: the original knows none.
 *
 * @returns undefined where the original finds the request malformed
 */
export function readModelPath(method: string, target: string): ModelPath | undefined {
  const pattern = method === "POST" ? postPath : method === "GET" ? getPath : undefined;
  const found = pattern?.exec(target);
  if (!found) return undefined;
  const [, model = "", version, versionLabel, verb = ""] = found;
  return {
    model: percentDecoded(model),
    ...(version !== undefined && { version }),
    ...(versionLabel !== undefined && { versionLabel: percentDecoded(versionLabel) }),
    verb,
  };
}

const maxInt64 = 2n ** 63n - 1n;

/** Returns the model spec that a path names, or undefined if its version is no int64. */
export function modelSpecFromPath({
  model,
  version,
  versionLabel,
}: Omit<ModelPath, "verb">): ModelSpec | undefined {
  if (version !== undefined) {
    return BigInt(version) > maxInt64 ? undefined : { name: model, version: BigInt(version) };
  }
  return { name: model, ...(versionLabel !== undefined && { versionLabel }) };
}

/** Decodes what is percent-encoded well, and leaves the rest as it is. */
function percentDecoded(text: string): string {
  if (!text.includes("%")) return text;
  const bytes = new TextEncoder().encode(text);
  const decoded = new Uint8Array(bytes.byteLength);
  let length = 0;
  for (let at = 0; at < bytes.byteLength; at += 1) {
    const hex = String.fromCharCode(bytes[at + 1] ?? 0, bytes[at + 2] ?? 0);
    const isEncoded = bytes[at] === 0x25 && /^[0-9a-f]{2}$/i.test(hex);
    decoded[length] = isEncoded ? Number.parseInt(hex, 16) : (bytes[at] ?? 0);
    length += 1;
    if (isEncoded) at += 2;
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(decoded.subarray(0, length));
}
