import { seededRandom } from "@tensorgate/core";
import { centralQueueLatencies } from "./central-queue.ts";
import { percentile, type Sized, usualMix } from "./scenarios.ts";
import { type SharedIncident, simulateSharedSlots } from "./shared-slots.ts";
import { poissonTrace } from "./trace.ts";

const turnaroundMs = 0.3;

export interface SharedSetting extends Sized {
  readonly gatewayCount: number;
  readonly replicaCount: number;
  /** One way between two gateways, in milliseconds. */
  readonly peerMs: number;
  readonly load: number;
}

export interface SharedRow {
  readonly failed: number;
  /** Compared with one central queue: the bound. */
  readonly p99Ratio: number;
  readonly p999Ratio: number;
  readonly maxAtReplica: number;
}

/** Compares several gateways that share the slots of all replicas with the central queue on the same requests. */
export function sharedBesideCentralQueue(setting: SharedSetting): SharedRow {
  const { replicaCount } = setting;
  const trace = traceOf(setting);
  const bound = centralQueueLatencies(trace, { replicaCount, turnaroundMs });
  const { ended, maxAtReplica } = simulateSharedSlots({ ...setting, turnaroundMs }, trace);
  const took = ended.map(({ tookMs }) => tookMs);
  return {
    failed: ended.filter(({ isAnswered }) => !isAnswered).length,
    p99Ratio: percentile(took, 0.99) / percentile(bound, 0.99),
    p999Ratio: percentile(took, 0.999) / percentile(bound, 0.999),
    maxAtReplica,
  };
}

export interface OwnerLostRow {
  readonly requests: number;
  readonly failed: number;
  /** Requests that replicas began with more than once. */
  readonly twice: number;
  /** How much longer than without the loss the request took that lost most, in milliseconds. */
  readonly costMs: number;
}

/** Ends the gateway that owns the slots, halfway; its own callers do not count. */
export function ownerLost(
  setting: SharedSetting,
  loss: Omit<SharedIncident, "atMs" | "gateway"> & { readonly isIdempotent?: boolean },
): OwnerLostRow {
  const trace = traceOf(setting);
  const atMs = (trace.at(-1)?.arrivesMs ?? 0) / 2;
  const { isIdempotent = true, ...incident } = loss;
  const world = { ...setting, turnaroundMs, isIdempotent };
  const usual = new Map(
    simulateSharedSlots(world, trace).ended.map(({ arrivesMs, tookMs }) => [arrivesMs, tookMs]),
  );
  const { ended } = simulateSharedSlots(world, trace, [{ ...incident, atMs, gateway: 0 }]);
  const costs = ended.map(({ arrivesMs, tookMs }) => tookMs - (usual.get(arrivesMs) ?? 0));
  return {
    requests: ended.length,
    failed: ended.filter(({ isAnswered }) => !isAnswered).length,
    twice: ended.filter(({ begun }) => begun > 1).length,
    costMs: Math.max(...costs),
  };
}

function traceOf({ requestCount, replicaCount, load, seed }: SharedSetting) {
  const { next: random } = seededRandom(seed);
  return poissonTrace({ requestCount, load, replicaCount, mix: usualMix, random });
}
