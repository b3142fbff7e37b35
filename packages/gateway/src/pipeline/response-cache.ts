import type { CallContext, Clock, Layer, ScoreResponse } from "@tensorgate/core";
import type { CacheOptions } from "./options.ts";
import { requestKey } from "./request-key.ts";
import { responseStore } from "./response-store.ts";
import { sharedCalls } from "./shared-calls.ts";

export interface ResponseCache {
  readonly layer: Layer;
  readonly entryCount: number;
  readonly byteCount: number;
}

export interface ResponseCacheParts {
  readonly options: Required<CacheOptions>;
  /** Whether a model's answers may be kept: somebody asked for it, and the same request is always answered the same. */
  readonly isCached: (model: string) => boolean;
  /** The version that answers who asks for none; undefined where there are no versions. */
  readonly versionNow: (model: string) => bigint | undefined;
  readonly clock: Clock;
}

/**
 * Answers again what was answered before, and asks once what several ask at the same time. Failures are not kept, and
 * calls that say `no-store` have nothing to do with it.
 */
export function responseCache(parts: ResponseCacheParts): ResponseCache {
  const { options, isCached, versionNow, clock } = parts;
  const store = responseStore(options, clock);
  const shared = sharedCalls();

  const layer: Layer = (next) => async (request, call) => {
    const { name } = request.modelSpec;
    if (call.noStore || !isCached(name)) return next(request, call);
    const startedMs = clock.nowMs();
    const key = requestKey(request, call, versionNow(name));
    const told = (outcome: CacheOutcome) => {
      call.times.add("cache", clock.nowMs() - startedMs, outcome);
      call.watch?.cached?.(name, outcome);
    };
    const kept = store.get(key);
    if (kept) {
      told("hit");
      return kept;
    }
    const { isJoined, response } = shared.share(key, call, async (sharedCall) => {
      const answer = await next(request, sharedCall);
      store.set(key, answer);
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
