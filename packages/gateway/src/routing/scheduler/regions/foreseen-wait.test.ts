import { expect, test } from "vitest";
import { schedulerSettings } from "../../settings.ts";
import { createScheduler } from "../scheduler.ts";
import { arrival } from "../testing.ts";

/** The nearest region, 75 ms away, reports these waits, one each millisecond; the next, 90 ms away, has none. */
function regionAfter(waitsMs: readonly number[]): string | undefined {
  const scheduler = createScheduler(schedulerSettings({}, { ownRegion: "eastus" }));
  const pools = ["westus2", "westeurope"].map((region) => ({
    model: "m",
    region,
    replicaIds: [region],
    parallelism: 1,
    isGateway: true,
  }));
  scheduler.handle({ type: "pools", pools }, 0);
  const report = (replicaId: string, expectedWaitMs: number, nowMs: number) =>
    scheduler.handle(
      { type: "probed", model: "m", replicaId, finding: "ready", expectedWaitMs },
      nowMs,
    );
  report("westeurope", 0, 0);
  report("westus2", 0, 0);
  // Now the nearest one is in use, which it is left for only if another is better by a fifth of the way.
  scheduler.handle({ type: "arrival", request: arrival(1) }, 0);
  for (const [index, waitMs] of waitsMs.entries()) report("westus2", waitMs, index + 1);
  const commands = scheduler.handle({ type: "arrival", request: arrival(2) }, waitsMs.length);
  return commands.find((command) => command.type === "send")?.region;
}

const from0To20 = Array.from({ length: 100 }, (_, index) => 0.2 * (index + 1));

test.each([
  { waits: "have been 20 ms", waitsMs: from0To20.map(() => 20), region: "westus2" },
  { waits: "grow to 20 ms", waitsMs: from0To20, region: "westeurope" },
  { waits: "grow to 10 ms", waitsMs: from0To20.slice(0, 50), region: "westus2" },
  { waits: "shrink to 35 ms", waitsMs: from0To20.map((ms) => 55 - ms), region: "westus2" },
  { waits: "have been 35 ms", waitsMs: from0To20.map(() => 35), region: "westeurope" },
])("$region is chosen if the waits in westus2 $waits", ({ waitsMs, region }) => {
  expect(regionAfter(waitsMs)).toBe(region);
});

test.each([4, 12, 20])("reports that alternate by %i ms around 10 ms change nothing", (by) => {
  const waitsMs = Array.from({ length: 100 }, (_, index) => 10 + (index % 2 ? by / 2 : -by / 2));

  expect([regionAfter(waitsMs), regionAfter(waitsMs.slice(1))]).toEqual(["westus2", "westus2"]);
});
