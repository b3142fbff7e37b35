import { expect, test } from "vitest";
import { schedulerSettings } from "../../settings.ts";
import { createScheduler } from "../scheduler.ts";

/** Times of the probes of the first replica, which answers none, within a minute. */
function probeTimes(replicaIds: readonly string[]): readonly number[] {
  const core = createScheduler(schedulerSettings({ pacing: false }, { ownRegion: "here" }));
  const times: number[] = [];
  let nowMs = 0;
  const lost = replicaIds[0];
  const pool = { model: "m", region: "here", replicaIds, parallelism: 1, isGateway: false };
  let commands = core.handle({ type: "pools", pools: [pool] }, nowMs);
  while (nowMs < 60_000) {
    const probes = commands.filter((each) => each.type === "probe");
    nowMs += probes.length > 0 ? 1 : 50;
    commands = probes.flatMap(({ replicaId }) => {
      if (replicaId === lost) times.push(nowMs);
      const finding = replicaId === lost ? ("lost" as const) : ("ready" as const);
      return core.handle({ type: "probed", model: "m", replicaId, finding }, nowMs);
    });
    commands = [...commands, ...core.handle({ type: "tick" }, nowMs)];
  }
  return times;
}

const longestGap = (times: readonly number[]) =>
  Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? 0)));

test("a replica that is away is probed every two seconds at least while its region has no other", () => {
  expect(longestGap(probeTimes(["a"]))).toBeLessThanOrEqual(2_100);
});

test("it is probed ever more rarely while another one serves", () => {
  expect(longestGap(probeTimes(["a", "b"]))).toBeGreaterThan(10_000);
});
