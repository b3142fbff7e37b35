import type { Clock, ScoreResponse, Tensor } from "@tensorgate/core";
import { LRUCache } from "lru-cache";
import type { CacheOptions } from "./options.ts";

/** Answers by the key of their request; the ones that were not asked for the longest time make way for new ones. */
export interface ResponseStore {
  get(key: string): ScoreResponse | undefined;
  set(key: string, response: ScoreResponse): void;
  readonly entryCount: number;
  readonly byteCount: number;
}

/** Of an entry beside its tensors, roughly: key, names, shapes and what the store itself keeps of it. */
const overheadBytes = 1_024;

export function responseStore(
  { maxBytes, maxEntryBytes, ttlMs }: Required<CacheOptions>,
  clock: Clock,
): ResponseStore {
  const cache = new LRUCache<string, ScoreResponse>({
    maxSize: maxBytes,
    maxEntrySize: Math.min(maxBytes, maxEntryBytes),
    sizeCalculation: sizeOf,
    ttl: ttlMs,
    // Otherwise it starts a timer of its own to look at the clock less often.
    ttlResolution: 0,
    // It takes a beginning at 0 for none.
    perf: { now: () => clock.nowMs() + 1 },
  });
  return {
    get: (key) => cache.get(key),
    set: (key, response) => {
      if (sizeOf(response) <= maxEntryBytes) cache.set(key, ownCopy(response));
    },
    get entryCount() {
      return cache.size;
    },
    get byteCount() {
      return cache.calculatedSize;
    },
  };
}

function sizeOf({ outputs }: ScoreResponse): number {
  return [...outputs.values()].reduce((sum, tensor) => sum + bytesOf(tensor), overheadBytes);
}

function bytesOf(tensor: Tensor): number {
  if (tensor.dtype !== "BYTES") return tensor.data.byteLength;
  return tensor.elements.reduce((sum, { byteLength }) => sum + byteLength + 64, 0);
}

/** Tensors view the message that they came in, all of which would be kept with the smallest of them. */
function ownCopy(response: ScoreResponse): ScoreResponse {
  const outputs = [...response.outputs].map(([name, tensor]): readonly [string, Tensor] => [
    name,
    copiedTensor(tensor),
  ]);
  return { ...response, outputs: new Map(outputs) };
}

function copiedTensor(tensor: Tensor): Tensor {
  if (tensor.dtype === "BYTES") {
    return { ...tensor, elements: tensor.elements.map((bytes) => new Uint8Array(bytes)) };
  }
  return { ...tensor, data: new Uint8Array(tensor.data) };
}
