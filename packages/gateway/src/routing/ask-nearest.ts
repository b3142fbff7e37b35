import { type CallContext, type ModelSpec, ScoringError } from "@tensorgate/core";
import { attemptFailure } from "./attempt-failure.ts";
import { type DeviceFacts, refusalError } from "./refusal-error.ts";
import type { PoolReport, ReplicaReport } from "./scheduler/status.ts";

export interface NearestQuery {
  readonly modelSpec: ModelSpec;
  readonly call: CallContext;
  readonly pools: readonly PoolReport[];
  readonly devices?: DeviceFacts | undefined;
}

/** Replicas that are asked before the last failure is told. */
const maxAsked = 4;

/**
 * Asks the replicas of a model that are in rotation, one after the other, the nearest first, until one answers.
 *
 * @throws ForbiddenError if residency leaves no region
 * @throws NoReplicaError or ModelNotReadyError if none is in rotation
 */
export async function askNearest<Answer>(
  attempt: (replicaId: string, call: CallContext) => Promise<Answer>,
  { modelSpec, call, pools, devices }: NearestQuery,
): Promise<Answer> {
  const { name: model, version } = modelSpec;
  const { residency, region: wish } = call.wishes;
  const ofModel = pools.filter((pool) => pool.model === model);
  const allowed = ofModel.filter(({ region }) => !residency || residency.includes(region));
  if (ofModel.length > 0 && allowed.length === 0) {
    throw refusalError("residency", { model });
  }
  const distance = ({ region, roundTripMs }: PoolReport) => (region === wish ? -1 : roundTripMs);
  const replicas = allowed
    .toSorted((a, b) => distance(a) - distance(b))
    .flatMap((pool) => pool.replicas)
    // Also one that cannot score a version now may know what becomes of it, but it is asked last.
    .toSorted((a, b) => Number(lacks(a, version)) - Number(lacks(b, version)));
  let lastError: ScoringError | undefined;
  for (const { id } of replicas.filter(isServing).slice(0, maxAsked)) {
    try {
      return await attempt(id, call);
    } catch (thrown) {
      lastError = ScoringError.from(thrown);
      if (call.signal.aborted || !attemptFailure(lastError)) throw lastError;
    }
  }
  const isLoading = replicas.some(({ state }) => state === "warming");
  const facts = { model, devices };
  throw lastError ?? refusalError(isLoading ? "model-not-ready" : "no-replica", facts);
}

function lacks({ versions }: ReplicaReport, version: bigint | undefined): boolean {
  return version !== undefined && versions.listed?.includes(version) === false;
}

function isServing({ state }: ReplicaReport): boolean {
  return state === "ready" || state === "returning";
}
