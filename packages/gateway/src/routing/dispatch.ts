import {
  type CallContext,
  type Clock,
  DeadlineExceededError,
  ForbiddenError,
  ModelNotReadyError,
  NoReplicaError,
  remainingMs,
  ScoringError,
  UpstreamFailedError,
} from "@tensorgate/core";
import type { RoutingOptions } from "./options.ts";
import type { Outcome } from "./outcome.ts";
import { regionsInOrder } from "./region-choice.ts";
import type { ReplicaPool } from "./replica-pool.ts";

/** Does something at one replica; it may be done again at another when it fails. */
export type Attempt<Answer> = (replicaId: string, call: CallContext) => Promise<Answer>;

export interface Dispatched<Answer> {
  readonly answer: Answer;
  /** Where it was answered. */
  readonly region: string;
}

/**
 * Finds a replica for a call and does `attempt` there, at another one when that fails.
 *
 * @throws NoReplicaError if no replica of `model` is in rotation
 * @throws ForbiddenError if residency leaves no region
 * @throws UpstreamFailedError if every attempt failed
 */
export type Dispatch = <Answer>(
  model: string,
  call: CallContext,
  attempt: Attempt<Answer>,
) => Promise<Dispatched<Answer>>;

export interface DispatchParts {
  readonly pools: readonly ReplicaPool[];
  readonly ownRegion: string;
  readonly options: Required<RoutingOptions>;
  readonly clock: Clock;
}

export function dispatcher({ pools, ownRegion, options, clock }: DispatchParts): Dispatch {
  return async (model, call, attempt) => {
    const ofModel = pools.filter((pool) => pool.model === model);
    const regions = regionsInOrder(
      ofModel.map(({ region }) => region),
      ownRegion,
      call.wishes,
    );
    if (ofModel.length > 0 && regions.length === 0) throw noRegionAllowed(model, ofModel);

    const poolsInOrder = regions.flatMap((region) =>
      ofModel.filter((pool) => pool.region === region),
    );
    const tried = new Set<string>();
    let sentCount = 0;
    let lastFailure: ScoringError | undefined;

    for (;;) {
      if (remainingMs(call.deadline, clock.nowMs()) === 0) {
        throw new DeadlineExceededError("the deadline passed before a replica answered");
      }
      const taken = takeFirst(poolsInOrder, tried);
      if (!taken || sentCount >= options.maxAttempts) {
        throw lastFailure ?? noReplica(model, poolsInOrder, options.initialEjectionMs);
      }
      const { pool, replicaId } = taken;
      tried.add(replicaId);
      let outcome: Outcome = "abandoned";
      const startedMs = clock.nowMs();
      const watched = call.watch?.attempt({ model, region: pool.region, replicaId });
      try {
        const answer = await attempt(replicaId, traced(call, watched?.traceparent));
        watched?.end();
        outcome = "answered";
        return { answer, region: pool.region };
      } catch (thrown) {
        const error = ScoringError.from(thrown);
        watched?.end(error);
        outcome = outcomeOf(error);
        if (call.signal.aborted) throw error;
        const isWarming = error instanceof ModelNotReadyError;
        if (!isWarming && !(error instanceof UpstreamFailedError)) throw error;
        // A model that is not loaded yet has seen nothing of the request.
        if (!isWarming && !error.wasNeverSent) sentCount += 1;
        lastFailure = error;
      } finally {
        const durationMs = clock.nowMs() - startedMs;
        pool.release(replicaId, outcome, durationMs);
        call.times.add("upstream", durationMs);
      }
    }
  };
}

function traced(call: CallContext, traceparent: string | undefined): CallContext {
  return traceparent === undefined ? call : { ...call, traceparent };
}

function takeFirst(pools: readonly ReplicaPool[], tried: ReadonlySet<string>) {
  for (const pool of pools) {
    const replicaId = pool.take(tried);
    if (replicaId !== undefined) return { pool, replicaId };
  }
  return undefined;
}

function outcomeOf(error: ScoringError): Outcome {
  switch (error.reason) {
    case "cancelled":
    case "deadline-exceeded":
      return "abandoned";
    case "model-not-ready":
      return "warming";
    case "upstream-failed":
      return error instanceof UpstreamFailedError && error.wasLost ? "lost" : "failed";
    default:
      return "answered";
  }
}

function noReplica(
  model: string,
  pools: readonly ReplicaPool[],
  retryAfterMs: number,
): ModelNotReadyError | NoReplicaError {
  const isWarming = pools.some((pool) =>
    pool.states().some(({ health }) => health.state === "warming"),
  );
  if (isWarming) {
    return new ModelNotReadyError(`model "${model}" is still being loaded`, {
      retryAfterMs,
      hint: "an FPGA takes minutes; /readyz says more",
    });
  }
  return new NoReplicaError(`no replica of model "${model}" can take a call now`, {
    retryAfterMs,
    hint: "its replicas are out of reach; /readyz and the gateway's log say more",
  });
}

function noRegionAllowed(model: string, pools: readonly ReplicaPool[]): ForbiddenError {
  const regions = pools.map(({ region }) => region).join(", ");
  return new ForbiddenError(
    `residency allows none of the regions of model "${model}": ${regions}`,
    {
      field: "x-tensorgate-residency",
    },
  );
}
