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
