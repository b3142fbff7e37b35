import type { Clock, ScoreResponse, Tensor } from "@tensorgate/core";
import { LRUCache } from "lru-cache";
import type { CacheOptions } from "./options.ts";

/** Responses by the key of their request; the least recently used ones are evicted for new ones. */
export interface ResponseLru {
  get(key: string): ScoreResponse | undefined;
  set(key: string, response: ScoreResponse): void;
  readonly entryCount: number;
  readonly byteCount: number;
}

/** Approximate size of an entry beside its tensors, in bytes: key, names, shapes and bookkeeping. */
const overheadBytes = 1_024;

export function createResponseLru(
  { maxBytes, maxEntryBytes, ttlMs }: Required<CacheOptions>,
  clock: Clock,
): ResponseLru {
  const cache = new LRUCache<string, ScoreResponse>({
    maxSize: maxBytes,
    maxEntrySize: Math.min(maxBytes, maxEntryBytes),
    sizeCalculation: sizeOf,
    ttl: ttlMs,
    // Otherwise lru-cache starts a timer to read the clock less often.
    ttlResolution: 0,
    // lru-cache treats a start of 0 as unset.
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

/** Copies the tensors: they view the message that they came in, which would stay in memory with the smallest of them. */
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
