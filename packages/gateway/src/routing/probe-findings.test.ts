import { expect, test } from "vitest";
import { probeFindings } from "./rejection-error.ts";
import type { ReplicaStateName } from "./scheduler/events.ts";
import { unknownVersions } from "./scheduler/replicas/replica.ts";
import type { PoolReport } from "./scheduler/status.ts";

function pool(
  region: string,
  replicas: readonly { readonly state: ReplicaStateName; readonly found?: string }[],
): PoolReport {
  const counts = { inFlight: 0, slots: 1, answered: 0, failed: 0, ejections: 0 };
  return {
    model: "m",
    region,
    waiting: 0,
    roundTripMs: 0,
    isOverloaded: false,
    replicas: replicas.map(({ state, found }, index) => ({
      ...counts,
      id: `${region}-${index}`,
      state,
      versions: unknownVersions,
      ...(found !== undefined && { probeNote: { message: found, detail: found } }),
    })),
  };
}

const pools = [
  pool("eastus", [
    { state: "ejected", found: "connection refused" },
    { state: "ready", found: "old news" },
    { state: "warming" },
  ]),
  pool("westeurope", [
    { state: "ejected", found: "no certificate" },
    { state: "ejected", found: "no certificate" },
  ]),
];

test("what probes found of replicas that are out is listed, the most frequent first", () => {
  expect(probeFindings(pools, { model: "m" })).toEqual([
    "no certificate (2 replicas)",
    "connection refused (1 replica)",
  ]);
});

test("no finding of other models, or of regions outside the residency, is listed", () => {
  expect(probeFindings(pools, { model: "other" })).toEqual([]);
  expect(probeFindings(pools, { model: "m", residency: ["eastus"] })).toEqual([
    "connection refused (1 replica)",
  ]);
});
