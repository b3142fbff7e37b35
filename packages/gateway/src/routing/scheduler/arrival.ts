import type { CallContext, ResolvedRequest } from "@tensorgate/core";
import type { Arrival } from "./events.ts";
import { rankOf } from "./queues/request-queue.ts";
import type { OpenRequest, PoolGroup } from "./state.ts";

/** What the scheduler needs to know of a call, which may be known before its body. */
export function arrivalOf(
  id: number,
  { model, modelSpec }: Pick<ResolvedRequest, "model" | "modelSpec">,
  { deadline, hints, routingTrace }: CallContext,
): Arrival {
  return {
    id,
    model: model.name,
    version: modelSpec.version,
    versionLabel: modelSpec.versionLabel,
    priority: hints.priority ?? "normal",
    deadlineMs: deadline.atMs,
    isIdempotent: model.isIdempotent,
    mayHedge: model.mayHedge,
    isForwarded: hints.isForwarded ?? false,
    isTraced: routingTrace?.isTraced ?? false,
    ...(hints.region !== undefined && { region: hints.region }),
    ...(hints.residency && { residency: hints.residency }),
  };
}

/** A request to which nothing has happened yet. */
export function openRequest(arrival: Arrival, group: PoolGroup, nowMs: number): OpenRequest {
  return {
    ...arrival,
    // A hedge does the work twice.
    mayHedge: arrival.mayHedge && arrival.isIdempotent,
    group,
    rank: rankOf(arrival),
    arrivedMs: nowMs,
    sinceMs: nowMs,
    queuedIn: undefined,
    inFlight: [],
    excluded: new Set(),
    failures: new Map(),
    failedCount: 0,
    failedBy: [],
    lostReplicaCount: 0,
    lastFailed: undefined,
    trace: arrival.isTraced ? [] : undefined,
  };
}
