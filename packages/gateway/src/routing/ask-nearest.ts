import { type CallContext, type ModelSpec, ScoringError } from "@tensorgate/core";
import { attemptFailure, isUnknownLabel } from "./attempt-failure.ts";
import { type DeviceInfo, rejectionError, unknownLabel } from "./rejection-error.ts";
import type { AskModel } from "./router-api.ts";
import type { PoolReport, ReplicaReport } from "./scheduler/status.ts";

export interface NearestQuery<Replica, Answer> {
  /** Asks one replica. */
  readonly ask: (replica: Replica) => AskModel<Answer>;
  readonly modelSpec: ModelSpec;
  readonly call: CallContext;
  readonly pools: readonly PoolReport[];
  readonly devices?: DeviceInfo | undefined;
}

/** Replicas that are asked before the last failure is returned. */
const maxAsked = 4;

/**
 * Calls the replicas of a model that are in rotation, one after the other, the nearest first, until one answers.
 *
 * @throws ForbiddenError if residency excludes every region
 * @throws NoReplicaError or ModelNotReadyError if none is in rotation
 */
export async function askNearest<Replica, Answer>(
  replicaOf: (id: string) => Replica | undefined,
  { ask, modelSpec, call, pools, devices }: NearestQuery<Replica, Answer>,
): Promise<Answer> {
  const { name: model, version, versionLabel } = modelSpec;
  const { residency, region: preferred } = call.hints;
  const ofModel = pools.filter((pool) => pool.model === model);
  const allowed = ofModel.filter(({ region }) => !residency || residency.includes(region));
  if (ofModel.length > 0 && allowed.length === 0) {
    throw rejectionError("residency", { model });
  }
  const distance = ({ region, roundTripMs }: PoolReport) =>
    region === preferred ? -1 : roundTripMs;
  const replicas = allowed
    .toSorted((a, b) => distance(a) - distance(b))
    .flatMap((pool) => pool.replicas)
    // A replica that does not list the version may know its state, but is asked last.
    .toSorted((a, b) => Number(lacksVersion(a, version)) - Number(lacksVersion(b, version)));
  let lastError: ScoringError | undefined;
  for (const { id } of replicas.filter(isServing).slice(0, maxAsked)) {
    const replica = replicaOf(id);
    // It was removed a moment ago.
    if (!replica) continue;
    try {
      return await ask(replica)(modelSpec, call);
    } catch (thrown) {
      lastError = ScoringError.from(thrown);
      if (call.signal.aborted || !attemptFailure(lastError)) throw lastError;
    }
  }
  if (isUnknownLabel(lastError)) throw unknownLabel({ model, versionLabel }, lastError);
  const isLoading = replicas.some(({ state }) => state === "warming");
  const info = { model, devices };
  throw lastError ?? rejectionError(isLoading ? "model-not-ready" : "no-replica", info);
}

/** Whether a replica lists its versions, and not this one. */
export function lacksVersion({ versions }: ReplicaReport, version: bigint | undefined): boolean {
  return version !== undefined && versions.listed?.includes(version) === false;
}

export function isServing({ state }: ReplicaReport): boolean {
  return state === "ready" || state === "half-open";
}
