import { readFileSync } from "node:fs";
import { priorities } from "@tensorgate/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRoundTripMs } from "../src/routing/settings.ts";
import { createInvariants } from "./invariants.ts";
import type { Fault } from "./machine.ts";
import { simulate } from "./simulate.ts";
import { type Incident, type SimulatedRequest, simulationSettings, type World } from "./world.ts";

const names = ["eastus", "westus2", "westeurope"] as const;

/** What a run is made of, small enough that a counterexample can be read. */
interface Run {
  readonly regions: readonly {
    readonly replicaCount: number;
    readonly concurrency: number;
    readonly isLearnt: boolean;
  }[];
  readonly hasPeers: boolean;
  readonly isPaced: boolean;
  readonly maxWaiting: number;
  /** What a gateway takes for one event, in milliseconds; 0 where it is missing. */
  readonly ownMs?: number;
  readonly requests: readonly {
    readonly region: number;
    readonly gapMs: number;
    readonly serviceMs: number;
    readonly priority: number;
    readonly patienceMs: number;
    readonly residency: number;
    readonly isIdempotent: boolean;
    /** 0 for the latest. */
    readonly version?: number;
    readonly mayHedge: boolean;
    readonly leavesMs: number;
  }[];
  readonly incidents: readonly {
    readonly atMs: number;
    readonly lastsMs: number;
    readonly region: number;
    readonly replica: number;
    readonly kind: number;
  }[];
}

const faults = [
  ...(["dead", "silent", "slow", "failing", "full", "stall"] as const),
  ...(["absent", "claiming", "old-version", "new-version", "both-versions"] as const),
] as const;
type FaultKind = (typeof faults)[number];

const regionArbitrary = fc.record({
  replicaCount: fc.integer({ min: 1, max: 4 }),
  concurrency: fc.integer({ min: 1, max: 3 }),
  isLearnt: fc.boolean(),
});

const requestArbitrary = fc.record({
  region: fc.nat(2),
  gapMs: fc.double({ min: 0, max: 6, noNaN: true }),
  serviceMs: fc.constantFrom(1, 2, 2, 2, 20),
  priority: fc.nat(2),
  patienceMs: fc.constantFrom(5, 50, 500, 10_000),
  residency: fc.nat(7),
  isIdempotent: fc.boolean(),
  version: fc.constantFrom(0, 0, 1, 2),
  mayHedge: fc.boolean(),
  leavesMs: fc.constantFrom(1, 20, 10_000, 10_000, 10_000),
});

const incidentArbitrary = fc.record({
  atMs: fc.double({ min: 0, max: 300, noNaN: true }),
  lastsMs: fc.double({ min: 0, max: 400, noNaN: true }),
  region: fc.nat(2),
  replica: fc.nat(4),
  kind: fc.nat(faults.length - 1),
});

const runArbitrary: fc.Arbitrary<Run> = fc.record({
  regions: fc.array(regionArbitrary, { minLength: 1, maxLength: 3 }),
  hasPeers: fc.boolean(),
  isPaced: fc.boolean(),
  maxWaiting: fc.constantFrom(3, 1_000),
  ownMs: fc.constantFrom(0, 0, 0.05, 0.5, 2),
  requests: fc.array(requestArbitrary, { minLength: 1, maxLength: 80 }),
  incidents: fc.array(incidentArbitrary, { maxLength: 6 }),
});

/** Runs that showed a fault. */
const regressions = JSON.parse(
  readFileSync(new URL("./regressions.json", import.meta.url), "utf8"),
) as readonly Run[];

// The same runs every time, so that a change and nothing else makes them fail; `TENSORGATE_SEED` looks elsewhere.
const seed = Number(process.env["TENSORGATE_SEED"] ?? 1);

const numRuns = Number(process.env["TENSORGATE_PROPERTY_RUNS"] ?? 1_500);
/** A whole number: fast-check counts down to zero, and never ends with any other. */
const fewerRuns = Math.ceil(numRuns / 3);

function worldOf({ regions, hasPeers, isPaced, maxWaiting, ownMs = 0 }: Run): World {
  return {
    regions: regions.map(({ replicaCount, concurrency, isLearnt }, index) => ({
      name: names[index] ?? "",
      replicaCount,
      concurrency,
      ...(isLearnt && { parallelism: "auto" as const }),
    })),
    turnaroundMs: 0.3,
    roundTripMs: seededRoundTripMs,
    hasPeers,
    ownMs,
    settings: { ...simulationSettings(isPaced), maxWaiting },
  };
}

const regionAt = ({ regions }: Run, index: number) => names[index % regions.length] ?? "";

function requestsOf(run: Run): readonly SimulatedRequest[] {
  let atMs = 0;
  return run.requests.map(
    ({ gapMs, region, priority, residency, patienceMs, version, ...rest }) => {
      atMs += gapMs;
      const allowed = names.filter((_name, index) => residency & (1 << index));
      return {
        ...rest,
        region: regionAt(run, region),
        arrivesMs: atMs,
        patienceMs,
        ...(version && { version: BigInt(version) }),
        priority: priorities[priority] ?? "normal",
        // Whoever waits for longer than the deadline has gone by then.
        leavesMs: Math.min(rest.leavesMs, patienceMs),
        ...(allowed.length > 0 && { residency: allowed }),
      };
    },
  );
}

function incidentsOf(run: Run, allowed: readonly FaultKind[] = faults): readonly Incident[] {
  return run.incidents.flatMap(({ atMs, lastsMs, replica: pick, ...incident }): Incident[] => {
    const region = regionAt(run, incident.region);
    const kind = faults[incident.kind] ?? "dead";
    if (!allowed.includes(kind)) return [];
    if (kind === "stall") return [{ atMs, region, stalledMs: lastsMs }];
    const versions = versionsAfter.get(kind);
    if (versions) return [{ atMs, region, replica: pick, versions }];
    const replica = pick === 4 ? ("all" as const) : pick;
    const fault = faultOf(kind);
    return [
      { atMs, region, replica, fault },
      { atMs: atMs + lastsMs, region, replica, fault: undefined },
    ];
  });
}

const versionsAfter: ReadonlyMap<FaultKind, readonly bigint[]> = new Map([
  ["old-version", [1n]],
  ["new-version", [2n]],
  ["both-versions", [1n, 2n]],
]);

function faultOf(kind: FaultKind): Fault {
  switch (kind) {
    case "dead":
    case "silent":
    case "failing":
    case "full":
      return { kind };
    case "slow":
      return { kind, factor: 10 };
    default:
      return { kind: "unserved", claimsReady: kind === "claiming" };
  }
}

test("every request ends once, and no invariant of the router is broken, whatever happens", () => {
  fc.assert(
    fc.property(runArbitrary, (run) => {
      const held = createInvariants();
      const requests = requestsOf(run);

      const { ended } = simulate(
        { ...worldOf(run), onHandled: held.see },
        requests,
        incidentsOf(run),
      );

      expect(ended).toHaveLength(requests.length);
      held.atEnd();
      for (const { request, begun, rejection } of ended) {
        if (request.isIdempotent === false) expect(begun).toBeLessThanOrEqual(1);
        if (rejection === undefined) expect(begun).toBeGreaterThanOrEqual(1);
      }
    }),
    { seed, numRuns, examples: regressions.map((run): [Run] => [run]) },
  );
});

test("without faults no request is queued beside an idle replica, and each class is first in, first out", () => {
  fc.assert(
    fc.property(runArbitrary, (run) => {
      const held = createInvariants({ isCalm: true });
      const requests = requestsOf(run).map(
        ({ residency: _anywhere, mayHedge: _once, version: _latest, ...each }) => each,
      );

      simulate({ ...worldOf({ ...run, maxWaiting: 1_000 }), onHandled: held.see }, requests);

      held.atEnd();
    }),
    { seed, numRuns: fewerRuns },
  );
});

test("as long as one replica lives, no idempotent call fails because others die", () => {
  fc.assert(
    fc.property(runArbitrary, (run) => {
      const requests = requestsOf(run).map(
        ({ residency: _anywhere, version: _latest, ...each }) => ({
          ...each,
          isIdempotent: true,
          patienceMs: 10_000,
          leavesMs: 10_000,
        }),
      );
      const world = worldOf({ ...run, maxWaiting: 1_000 });
      // The last replica of each region is not touched.
      const incidents = incidentsOf(run, ["dead", "slow", "stall"]).filter(
        (each) =>
          "stalledMs" in each ||
          world.regions.some(
            ({ name, replicaCount }) =>
              name === each.region && each.replica !== "all" && each.replica < replicaCount - 1,
          ),
      );

      const { ended } = simulate(world, requests, incidents);

      expect(ended.filter(({ rejection }) => rejection !== undefined)).toEqual([]);
    }),
    { seed, numRuns: fewerRuns },
  );
});

test("as long as one replica of a region serves a version, no call fails because others do not, and none is ejected", () => {
  fc.assert(
    fc.property(runArbitrary, (run) => {
      const held = createInvariants();
      const regions: readonly string[] = run.regions.map((_, index) => names[index] ?? "");
      const requests = requestsOf(run).map(({ residency, ...each }) => ({
        ...each,
        patienceMs: 10_000,
        leavesMs: 10_000,
        ...(residency?.some((name) => regions.includes(name)) && { residency }),
      }));
      const world = worldOf({ ...run, maxWaiting: 1_000 });
      const lastOf = (region: string) =>
        (world.regions.find(({ name }) => name === region)?.replicaCount ?? 0) - 1;
      // The last replica of each region has every version, and is not touched.
      const all = world.regions.map(({ name }) => ({
        atMs: 0,
        region: name,
        replica: lastOf(name),
        versions: [1n, 2n],
      }));
      const kinds = ["absent", "claiming", "old-version", "new-version"] as const;
      const others = incidentsOf(run, kinds).filter(
        (each) => "replica" in each && each.replica !== "all" && each.replica < lastOf(each.region),
      );
      // So many attempts as there are replicas to be mistaken about.
      const settings = { ...world.settings, maxAttempts: 12 };

      const { ended, ejections } = simulate(
        { ...world, settings, onHandled: held.see },
        requests.map((each) => ({ ...each, arrivesMs: each.arrivesMs + settledMs })),
        [...all, ...others.map((each) => ({ ...each, atMs: each.atMs + settledMs }))],
      );

      held.atEnd();
      expect(ended.filter(({ rejection }) => rejection !== undefined)).toEqual([]);
      expect(ejections).toBe(0);
      for (const { request, begun } of ended) {
        if (request.isIdempotent === false) expect(begun).toBe(1);
      }
    }),
    { seed, numRuns: fewerRuns },
  );
});

/** By then every probe has found the versions of the beginning, in milliseconds. */
const settledMs = 6_000;
