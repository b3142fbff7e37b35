import { expect, test } from "vitest";
import { schedulerSettings } from "../../settings.ts";
import type { SchedulerCommand } from "../events.ts";
import { createScheduler } from "../scheduler.ts";
import { arrival } from "../testing.ts";

const rejectionIn = (commands: readonly SchedulerCommand[]) =>
  commands.find(({ type }) => type === "reject");

/** A region with one replica that does one request in `serviceMs`, and `waiting` requests in queue. */
function fullRegion({ serviceMs, waiting }: { serviceMs: number; waiting: number }) {
  const settings = schedulerSettings({ maxWaiting: waiting, pacing: false }, { ownRegion: "here" });
  const core = createScheduler(settings);
  const pool = { model: "m", region: "here", replicaIds: ["a"], parallelism: 1, isGateway: false };
  core.handle({ type: "pools", pools: [pool] }, 0);
  core.handle({ type: "probed", model: "m", replicaId: "a", finding: "ready" }, 0);
  core.handle({ type: "arrival", request: arrival(1) }, 0);
  // Whoever does not look for long is thought to have stood still.
  for (let atMs = 10; atMs < serviceMs; atMs += 10) core.handle({ type: "tick" }, atMs);
  core.handle({ type: "answered", attemptId: 1 }, serviceMs);
  for (let id = 2; id < waiting + 10; id += 1) {
    const commands = core.handle({ type: "arrival", request: arrival(id) }, serviceMs);
    if (rejectionIn(commands)) return rejectionIn(commands);
  }
  throw new RangeError("no request was rejected");
}

test("a request rejected by a short queue may be retried soon", () => {
  expect(fullRegion({ serviceMs: 2, waiting: 10 })).toMatchObject({
    because: "overloaded",
    retryAfterMs: 250,
  });
});

test("a request rejected by a long queue may be retried when it is about half as long", () => {
  const rejection = fullRegion({ serviceMs: 200, waiting: 100 });

  expect(rejection).toMatchObject({ because: "overloaded" });
  const { retryAfterMs } = rejection as { readonly retryAfterMs: number };
  expect(retryAfterMs).toBeGreaterThan(9_000);
  expect(retryAfterMs).toBeLessThan(11_000);
});

/** Rejects a request for a model whose only replica is not ready, after 44 s of probes that all find the same. */
function rejectedWhile(finding: "lost" | "warming") {
  const core = createScheduler(schedulerSettings({}, { ownRegion: "here" }));
  const pool = { model: "m", region: "here", replicaIds: ["a"], parallelism: 1, isGateway: false };
  const probed = { type: "probed", model: "m", replicaId: "a" } as const;
  core.handle({ type: "pools", pools: [pool] }, 0);
  core.handle({ ...probed, finding: "ready" }, 0);
  let lastMs = 0;
  for (let atMs = 10.25; atMs < 44_000; atMs += 10) {
    let commands = core.handle({ type: "tick" }, atMs);
    while (commands.some(({ type }) => type === "probe")) {
      commands = core.handle({ ...probed, finding }, atMs);
    }
    lastMs = atMs;
  }
  const rejection = rejectionIn(core.handle({ type: "arrival", request: arrival(1) }, lastMs));
  if (rejection?.type !== "reject") throw new RangeError("the request was not rejected");
  return rejection;
}

test.each([
  { finding: "lost", because: "no-replica" },
  { finding: "warming", because: "model-not-ready" },
] as const)(
  "a request for a model whose only replica is $finding may be retried when it is probed next",
  ({ finding, because }) => {
    const rejected = rejectedWhile(finding);

    expect(rejected.because).toBe(because);
    expect(rejected.retryAfterMs).toBeGreaterThanOrEqual(250);
    expect(rejected.retryAfterMs).toBeLessThanOrEqual(2_000);
    expect(Number.isInteger(rejected.retryAfterMs)).toBe(true);
  },
);
