import { seededRandom } from "@tensorgate/core";
import { seededRoundTripMs } from "../src/routing/settings.ts";
import { centralQueueLatencies } from "./central-queue.ts";
import { simulate } from "./simulate.ts";
import { poissonTrace, type ServiceMix } from "./trace.ts";
import {
  type Ended,
  type Incident,
  type SimulatedRegion,
  type SimulatedRequest,
  simulationSettings,
  type World,
} from "./world.ts";

/** Service times: 2 ms, and 20 ms for every fiftieth request. */
export const usualMix: ServiceMix = { usualMs: 2, slowMs: 20, slowShare: 0.02 };

const turnaroundMs = 0.3;
const replicaCount = 8;
const fourRegions = ["eastus", "westus2", "westeurope", "southeastasia"] as const;
/** Time of the transient at the beginning, which does not count, in milliseconds. */
const warmUpMs = 1_000;

/** One row of figures. */
export interface Row {
  readonly scenario: string;
  /** Share of what the replicas of a region can do. */
  readonly load: number;
  readonly requests: number;
  readonly failed: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly ejections: number;
}

export interface ComparedRow extends Row {
  /** Compared with one central queue: the bound. */
  readonly p99Ratio: number;
  readonly p999Ratio: number;
}

export interface Sized {
  readonly requestCount: number;
  readonly seed: number;
}

/** One gateway in front of the replicas of its region. */
export function oneRegion(region: Omit<SimulatedRegion, "name">): World {
  return {
    regions: [{ name: "eastus", ...region }],
    turnaroundMs,
    roundTripMs: seededRoundTripMs,
    hasPeers: false,
    settings: simulationSettings(true),
  };
}

/** Four gateways with eight replicas each, which forward to each other. */
export function fourGateways(): World {
  return {
    regions: fourRegions.map((name) => ({ name, replicaCount, concurrency: 1 })),
    turnaroundMs,
    roundTripMs: seededRoundTripMs,
    hasPeers: true,
    settings: simulationSettings(true),
  };
}

/** Compares eight replicas behind one gateway with the central queue on the same requests. */
export function besideCentralQueue(load: number, { requestCount, seed }: Sized): ComparedRow {
  const { next: random } = seededRandom(seed);
  const trace = poissonTrace({ requestCount, load, replicaCount, mix: usualMix, random });
  const bound = centralQueueLatencies(trace, { replicaCount, turnaroundMs });
  const result = simulate(oneRegion({ replicaCount, concurrency: 1 }), comingTo("eastus", trace));
  const row = rowOf("eight replicas, one scheduler", load, result);
  return {
    ...row,
    p99Ratio: row.p99Ms / percentile(bound, 0.99),
    p999Ratio: row.p999Ms / percentile(bound, 0.999),
  };
}

/** The same with slow requests sent to a second replica. */
export function hedged(
  load: number,
  { requestCount, seed }: Sized,
): Row & { readonly extra: number } {
  const { next: random } = seededRandom(seed);
  // That one replica is slow says nothing of another: only then a second one helps.
  const trace = poissonTrace({ requestCount, load, replicaCount, mix: usualMix, random });
  const requests = comingTo("eastus", trace).map((each) => ({
    ...each,
    mayHedge: true,
    againMs: usualMix.usualMs,
  }));
  const result = simulate(oneRegion({ replicaCount, concurrency: 1 }), requests);
  return {
    ...rowOf("hedged", load, result),
    extra: result.begun / requestCount - 1,
  };
}

/** One replica with a concurrency of eight, which the configuration does not give. */
export function concurrentReplica(load: number, { requestCount, seed }: Sized): ComparedRow {
  const { next: random } = seededRandom(seed);
  const mix = { usualMs: 2, slowMs: 2, slowShare: 0 };
  const trace = poissonTrace({ requestCount, load, replicaCount, mix, random });
  const bound = centralQueueLatencies(trace, { replicaCount, turnaroundMs });
  const world = oneRegion({ replicaCount: 1, concurrency: 8, parallelism: "auto" });
  const row = rowOf(
    "concurrent replica, adaptive limit",
    load,
    simulate(world, comingTo("eastus", trace)),
  );
  return {
    ...row,
    p99Ratio: row.p99Ms / percentile(bound, 0.99),
    p999Ratio: row.p999Ms / percentile(bound, 0.999),
  };
}

export interface RegionalRow extends Row {
  /** Calls of the first region that were answered in another. */
  readonly away: number;
  /** p99 of the regions that were not changed, in milliseconds. */
  readonly neighboursP99Ms: number;
}

/** Overloads one region, and the others are half loaded. */
export function oneRegionOverloaded(load: number, { requestCount, seed }: Sized): RegionalRow {
  const requests = regionalRequests((region) => (region === "eastus" ? load : 0.5), {
    requestCount,
    seed,
  });
  const result = simulate(fourGateways(), requests);
  return regionalRow("one region over its load", load, result);
}

export interface OverloadedRow extends Row {
  /** Answered work, as a share of the capacity. */
  readonly goodput: number;
  /** Share of the rejected requests that were rejected within a millisecond. */
  readonly refusedAtOnce: number;
}

/** Overloads every region. */
export function allOverloaded(load: number, sized: Sized): OverloadedRow {
  const requests = regionalRequests(() => load, sized);
  const result = simulate(fourGateways(), requests);
  const lastMs = lastArrivalMs(requests);
  const settled = result.ended.filter(({ request }) => request.arrivesMs > 2 * warmUpMs);
  const answered = settled.filter(({ rejection }) => !rejection);
  const refused = settled.filter(({ rejection }) => rejection);
  const workMs = answered.reduce((sum, { request }) => sum + request.serviceMs, 0);
  const capacityMs = fourRegions.length * replicaCount * (lastMs - warmUpMs);
  return {
    ...rowOf("all regions over their load", load, { ...result, ended: settled }),
    goodput: workMs / capacityMs,
    refusedAtOnce: refused.filter(({ tookMs }) => tookMs < 1).length / refused.length,
  };
}

export interface LostRow extends RegionalRow {
  /** p99 of all calls, of every region, that came within the second after the loss, in milliseconds. */
  readonly p99OfThatSecondMs: number;
}

/** Kills every replica of one region halfway. */
export function regionLost(load: number, { requestCount, seed }: Sized): LostRow {
  const requests = regionalRequests(() => load, { requestCount, seed });
  const lastMs = lastArrivalMs(requests);
  const incidents: readonly Incident[] = [
    { atMs: lastMs / 2, region: "eastus", replica: "all", fault: { kind: "dead" } },
  ];
  const result = simulate(fourGateways(), requests, incidents);
  const inThatSecond = result.ended.filter(
    ({ request }) => Math.abs(request.arrivesMs - warmUpMs - lastMs / 2 - 500) <= 500,
  );
  const { p99Ms } = rowOf("", load, { ...result, ended: inThatSecond });
  return { ...regionalRow("a region lost", load, result), p99OfThatSecondMs: p99Ms };
}

/** Slows all replicas, or stalls the gateway: no replica is an outlier. */
export function noOutlier(
  scenario: "all slow" | "gateway stalled",
  load: number,
  { requestCount, seed }: Sized,
): Row {
  const { next: random } = seededRandom(seed);
  const trace = poissonTrace({ requestCount, load, replicaCount, mix: usualMix, random });
  const halfMs = (trace.at(-1)?.arrivesMs ?? 0) / 2;
  const at = { region: "eastus", atMs: halfMs };
  const incidents: readonly Incident[] =
    scenario === "all slow"
      ? [
          { ...at, replica: "all", fault: { kind: "slow", factor: 5 } },
          { ...at, atMs: halfMs + 500, replica: "all", fault: undefined },
        ]
      : [{ ...at, stalledMs: 200 }];
  const world = oneRegion({ replicaCount, concurrency: 1 });
  return rowOf(scenario, load, simulate(world, comingTo("eastus", trace), incidents));
}

function lastArrivalMs(requests: readonly SimulatedRequest[]): number {
  return requests.reduce((last, { arrivesMs }) => Math.max(last, arrivesMs), 0);
}

function comingTo(
  region: string,
  trace: readonly Omit<SimulatedRequest, "region">[],
): readonly SimulatedRequest[] {
  return trace.map((request) => ({ region, ...request }));
}

/** @param sized - `requestCount` is that of all regions together */
function regionalRequests(
  loadOf: (region: string) => number,
  { requestCount, seed }: Sized,
): readonly SimulatedRequest[] {
  const total = fourRegions.reduce((sum, region) => sum + loadOf(region), 0);
  return fourRegions.flatMap((region, index) => {
    const load = loadOf(region);
    const { next: random } = seededRandom(seed + index);
    const count = Math.round((requestCount * load) / total);
    const trace = poissonTrace({ requestCount: count, load, replicaCount, mix: usualMix, random });
    return comingTo(region, trace);
  });
}

interface Figures {
  readonly ended: readonly Ended[];
  readonly ejections: number;
}

function rowOf(scenario: string, load: number, { ended, ejections }: Figures): Row {
  const answered = ended.filter(({ rejection }) => !rejection).map(({ tookMs }) => tookMs);
  return {
    scenario,
    load,
    requests: ended.length,
    failed: ended.length - answered.length,
    p99Ms: percentile(answered, 0.99),
    p999Ms: percentile(answered, 0.999),
    ejections,
  };
}

function regionalRow(scenario: string, load: number, { ended, ejections }: Figures): RegionalRow {
  const own = ended.filter(({ request }) => request.region === "eastus");
  const others = ended.filter(({ request }) => request.region !== "eastus");
  const failed = ended.filter(({ rejection }) => rejection).length;
  return {
    ...rowOf(scenario, load, { ended: own, ejections }),
    requests: ended.length,
    failed,
    away: own.filter(({ region }) => region !== "eastus").length,
    neighboursP99Ms: rowOf(scenario, load, { ended: others, ejections }).p99Ms,
  };
}

/**
 * Returns the smallest value that a share of all values does not exceed.
 *
 * @param share - 0..1
 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
}
