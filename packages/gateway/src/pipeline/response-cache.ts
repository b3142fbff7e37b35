import { createHash, type Hash } from "node:crypto";
import type {
  CacheOutcome,
  CallContext,
  Clock,
  Layer,
  ModelSpec,
  Parameters,
  ResolvedRequest,
  ScoreResponse,
  Tensor,
} from "@tensorgate/core";
import { createCallCoalescer } from "./call-coalescing.ts";
import { type CacheOptions, cacheDefaults } from "./options.ts";
import { createResponseLru } from "./response-lru.ts";

export interface ResponseCache {
  readonly layer: Layer;
  readonly entryCount: number;
  readonly byteCount: number;
}

export interface ResponseCacheDeps {
  readonly options: CacheOptions | undefined;
  /** Version that a call would be answered by now; undefined where that is not known, or differs between replicas. */
  readonly expectedVersion: (modelSpec: ModelSpec, call: CallContext) => bigint | undefined;
  readonly clock: Clock;
}

/**
 * Caches responses, and coalesces identical calls that are in flight (singleflight). A response is stored under the
 * release and the version that gave it, and looked up under those that the call would get; if that version is unknown,
 * the cache is bypassed. Failures are not cached, and calls with `no-store` bypass cache and coalescing.
 */
export function createResponseCache(deps: ResponseCacheDeps): ResponseCache {
  const { options, expectedVersion, clock } = deps;
  const cached = createResponseLru({ ...cacheDefaults, ...options }, clock);
  const coalesce = createCallCoalescer();

  const layer: Layer = (next) => async (request, call) => {
    const { name, isCached } = request.model;
    // Responses differ by the names that they have, and by whether they are encoded.
    const isPlain = !request.encoded && !request.hasWireNames;
    if (call.noStore || !isCached || !isPlain) return next(request, call);
    const version = expectedVersion(request.modelSpec, call);
    if (version === undefined) return next(request, call);
    const startedMs = clock.nowMs();
    const digest = requestDigest(request, call);
    const keyOf = (of: bigint) => `${digest} ${of}`;
    const observe = (outcome: CacheOutcome) => {
      call.times.add("cache", clock.nowMs() - startedMs, outcome);
      call.observer?.cached?.(name, outcome);
    };
    const hit = cached.get(keyOf(version));
    if (hit) {
      observe("hit");
      return hit;
    }
    // What names no version may be answered by a newer one meanwhile, which a call that names its own must not get.
    const callKey = `${keyOf(version)} ${request.modelSpec.version ?? "latest"}`;
    const { isJoined, response } = coalesce(callKey, call, async (coalesced) => {
      const answer = await next(request, coalesced);
      cached.set(keyOf(answer.model.version), answer);
      return answer;
    });
    if (!isJoined) observe("miss");
    return isJoined ? observedAtEnd(response, () => observe("coalesced")) : response;
  };

  return {
    layer,
    get entryCount() {
      return cached.entryCount;
    },
    get byteCount() {
      return cached.byteCount;
    },
  };
}

/** The duration of the call that it joined is time that a coalesced call spent in the cache. */
async function observedAtEnd(
  response: Promise<ScoreResponse>,
  onEnd: () => void,
): Promise<ScoreResponse> {
  try {
    return await response;
  } finally {
    onEnd();
  }
}

/**
 * Digests what two requests have in common that may share an answer of one version: the release, what is asked for,
 * where it may be answered, and everything that is sent (SHA-256).
 */
function requestDigest(
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
