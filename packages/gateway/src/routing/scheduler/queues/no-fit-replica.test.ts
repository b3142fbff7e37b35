import { expect, test } from "vitest";
import { schedulerSettings } from "../../settings.ts";
import type { SchedulerCommand, SchedulerEvent } from "../events.ts";
import { createScheduler } from "../scheduler.ts";
import { arrival } from "../testing.ts";

/** A scheduler whose replicas, by region, are ready; time stands still. */
function readyScheduler(regions: Readonly<Record<string, readonly string[]>>, maxWaiting = 100) {
  const core = createScheduler(
    schedulerSettings({ maxWaiting, pacing: false }, { ownRegion: "here" }),
  );
  const pools = Object.entries(regions).map(([region, ids]) => ({
    model: "m",
    region,
    replicaIds: ids,
    parallelism: 1,
    isGateway: false,
  }));
  const tell = (event: SchedulerEvent) => core.handle(event, 0);
  tell({ type: "pools", pools });
  for (const replicaId of Object.values(regions).flat()) {
    tell({ type: "probed", model: "m", replicaId, finding: "ready" });
  }
  return { tell, status: () => core.status(0) };
}

function sentIn(commands: readonly SchedulerCommand[]) {
  return commands.flatMap((each) => (each.type === "send" ? [each] : []));
}

test("a request whose last untried replica is lost while it waits goes to another region", () => {
  const { tell } = readyScheduler({ here: ["a", "b"], there: ["c"] });
  const sent = [1, 2, 3, 4].flatMap((id) =>
    sentIn(tell({ type: "arrival", request: arrival(id) })),
  );
  const [atA] = sent.filter(({ replicaId }) => replicaId === "a");
  const [atB] = sent.filter(({ replicaId }) => replicaId === "b");
  const waits = tell({ type: "failed", attemptId: atA?.attemptId ?? 0, failure: "failed" });
  expect(sentIn(waits)).toEqual([]);

  const lost = tell({ type: "failed", attemptId: atB?.attemptId ?? 0, failure: "lost" });

  expect(sentIn(lost)).toContainEqual(
    expect.objectContaining({ id: atA?.id, replicaId: "c", region: "there" }),
  );
});

test("a request that every replica rejected for want of capacity evicts none, and is rejected immediately", () => {
  const { tell, status } = readyScheduler({ here: ["a"] }, 1);
  const critical = { priority: "critical" } as const;
  const [first] = sentIn(tell({ type: "arrival", request: arrival(1, critical) }));
  for (const id of [2, 3]) {
    tell({ type: "arrival", request: arrival(id, { priority: "batch" }) });
  }
  expect(status().pools).toMatchObject([{ waiting: 1 }]);

  const full = tell({ type: "failed", attemptId: first?.attemptId ?? 0, failure: "full" });

  expect(full).toContainEqual(expect.objectContaining({ type: "reject", id: 1 }));
  expect(status().pools).toMatchObject([{ waiting: 1 }]);
});
