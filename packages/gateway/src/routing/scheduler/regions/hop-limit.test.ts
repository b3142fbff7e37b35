import { expect, test } from "vitest";
import { schedulerSettings } from "../../settings.ts";
import type { Arrival } from "../events.ts";
import { createScheduler } from "../scheduler.ts";
import { arrival } from "../testing.ts";

const batchArrival = (id: number, more: Partial<Arrival> = {}) =>
  arrival(id, { priority: "batch", ...more });

/** A gateway with its own replica and the gateway of another region, all slots and queues full of batch work. */
function fullGateway() {
  const core = createScheduler(schedulerSettings({ maxWaiting: 3 }, { ownRegion: "here" }));
  const pool = (region: string, isGateway: boolean) => ({
    model: "m",
    region,
    replicaIds: [region],
    parallelism: 1,
    isGateway,
  });
  core.handle({ type: "pools", pools: [pool("here", false), pool("there", true)] }, 0);
  for (const replicaId of ["here", "there"]) {
    core.handle({ type: "probed", model: "m", replicaId, finding: "ready" }, 0);
  }
  let id = 0;
  for (const region of ["here", "there"]) {
    for (let count = 0; count < 140; count += 1) {
      id += 1;
      core.handle({ type: "arrival", request: batchArrival(id, { region }) }, 0);
    }
  }
  return core;
}

test("a forwarded request is never queued for another gateway, whatever is evicted there", () => {
  const core = fullGateway();
  expect(core.status(0).pools).toMatchObject([{ waiting: 3 }, { waiting: 3 }]);
  const forwarded = { isForwarded: true, priority: "critical" } as const;

  for (let id = 1_001; id <= 1_003; id += 1) {
    const commands = core.handle({ type: "arrival", request: batchArrival(id, forwarded) }, 0);
    expect(commands).toMatchObject([{ type: "reject", because: "overloaded" }]);
    expect((commands[0] as { readonly id: number }).id).toBeLessThan(1_000);
  }
  const fourth = core.handle({ type: "arrival", request: batchArrival(1_004, forwarded) }, 0);

  expect(fourth).toMatchObject([{ type: "reject", id: 1_004, because: "overloaded" }]);
});
