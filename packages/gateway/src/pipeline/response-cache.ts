import type { CallContext, Clock, Layer, ModelSpec, ScoreResponse } from "@tensorgate/core";
import { type CacheOptions, cacheDefaults } from "./options.ts";
import { requestDigest } from "./request-key.ts";
import { responseStore } from "./response-store.ts";
import { sharedCalls } from "./shared-calls.ts";

export interface ResponseCache {
  readonly layer: Layer;
  readonly entryCount: number;
  readonly byteCount: number;
}

export interface ResponseCacheParts {
  readonly options: CacheOptions | undefined;
  /** Version that a call would be answered by now; undefined where that is not known, or differs between replicas. */
  readonly expectedVersion: (modelSpec: ModelSpec, call: CallContext) => bigint | undefined;
  readonly clock: Clock;
}

/**
 * Answers again what was answered before, and asks once what several ask at the same time. An answer is stored under
 * the release and the version that gave it, and looked up under those that the call would get; where nobody can say
 * which version that is, the cache is bypassed. Failures are not kept, and calls that say `no-store` have nothing to do
 * with it.
 */
export function createResponseCache(parts: ResponseCacheParts): ResponseCache {
  const { options, expectedVersion, clock } = parts;
  const store = responseStore({ ...cacheDefaults, ...options }, clock);
  const shared = sharedCalls();

  const layer: Layer = (next) => async (request, call) => {
    const { name, isCached } = request.model;
    if (call.noStore || !isCached) return next(request, call);
    const version = expectedVersion(request.modelSpec, call);
    if (version === undefined) return next(request, call);
    const startedMs = clock.nowMs();
    const digest = requestDigest(request, call);
    const keyOf = (of: bigint) => `${digest} ${of}`;
    const told = (outcome: CacheOutcome) => {
      call.times.add("cache", clock.nowMs() - startedMs, outcome);
      call.watch?.cached?.(name, outcome);
    };
    const kept = store.get(keyOf(version));
    if (kept) {
      told("hit");
      return kept;
    }
    // What names no version may be answered by a newer one meanwhile, which a call that names its own must not get.
    const sharedKey = `${keyOf(version)} ${request.modelSpec.version ?? "latest"}`;
    const { isJoined, response } = shared.share(sharedKey, call, async (sharedCall) => {
      const answer = await next(request, sharedCall);
      store.set(keyOf(answer.model.version), answer);
      return answer;
    });
    if (!isJoined) told("miss");
    return isJoined ? waited(response, () => told("coalesced")) : response;
  };

  return {
    layer,
    get entryCount() {
      return store.entryCount;
    },
    get byteCount() {
      return store.byteCount;
    },
  };
}

type CacheOutcome = Parameters<NonNullable<NonNullable<CallContext["watch"]>["cached"]>>[1];

/** What somebody else's call took is time that this one spent here. */
async function waited(response: Promise<ScoreResponse>, onEnd: () => void): Promise<ScoreResponse> {
  try {
    return await response;
  } finally {
    onEnd();
  }
}
