import { expect, test } from "vitest";
import { schedulerSettings } from "../../settings.ts";
import type { SchedulerCommand, SchedulerEvent, Send } from "../events.ts";
import { createScheduler } from "../scheduler.ts";
import { arrival } from "../testing.ts";

/** A scheduler before two servers with eight concurrency each; time moves with what happens. */
function rig() {
  const core = createScheduler(schedulerSettings({ pacing: false }, { ownRegion: "here" }));
  let nowMs = 0;
  const tell = (event: SchedulerEvent) => {
    nowMs += 1;
    return core.handle(event, nowMs);
  };
  const ids = ["bad", "good"];
  const pool = { model: "m", region: "here", replicaIds: ids, parallelism: 8, isGateway: false };
  tell({ type: "pools", pools: [pool] });
  for (const replicaId of ids) tell({ type: "probed", model: "m", replicaId, finding: "ready" });
  let nextId = 0;
  const sendIn = (commands: readonly SchedulerCommand[]): Send | undefined =>
    commands.find((each) => each.type === "send");
  return {
    ask: () => {
      nextId += 1;
      return sendIn(
        tell({
          type: "arrival",
          request: arrival(nextId),
        }),
      );
    },
    answer: ({ attemptId }: Send) => tell({ type: "answered", attemptId }),
    /** @returns where the request goes next */
    fail: ({ attemptId }: Send) => sendIn(tell({ type: "failed", attemptId, failure: "failed" })),
    badState: () => core.status(nowMs).pools[0]?.replicas.find(({ id }) => id === "bad")?.state,
    retriesLeft: () => core.status(nowMs).retriesLeft,
    ejections: () => core.status(nowMs).pools[0]?.replicas.map(({ ejections }) => ejections),
  };
}

test("calls that a replica fails after it was ejected for others go on without a budget", () => {
  const { ask, fail, badState } = rig();
  const sends = Array.from({ length: 16 }, ask);
  const atBad = sends.filter((send) => send?.replicaId === "bad");
  expect(atBad).toHaveLength(8);

  const next = atBad.map((send) => send && fail(send)?.replicaId);

  expect(next.filter((replicaId) => replicaId === "good")).toHaveLength(8);
  expect(badState()).toBe("ejected");
});

test("a replica whose failure another answered pays no more retries from the budget", () => {
  const { ask, answer, fail, badState, retriesLeft } = rig();
  /** Fails a call at the bad replica, and answers it elsewhere. @returns what that took from the budget */
  const failOnce = (): number => {
    for (let send = ask(); send; send = ask()) {
      if (send.replicaId !== "bad") {
        answer(send);
        continue;
      }
      const before = retriesLeft();
      const next = fail(send);
      const paid = before - retriesLeft();
      expect(next?.replicaId).toBe("good");
      if (next) answer(next);
      return paid;
    }
    throw new Error("nothing was sent");
  };

  expect([failOnce(), failOnce()]).toEqual([1, 0]);
  expect(badState()).toBe("ready");
});

test("a replica that fails every second call is ejected, since others answer what it fails", () => {
  const { ask, fail, answer, badState } = rig();
  let isBroken = false;
  let failedCount = 0;
  for (let calls = 0; calls < 60 && badState() !== "ejected"; calls += 1) {
    const first = ask();
    if (!first) throw new Error("nothing was sent");
    if (first.replicaId === "bad") isBroken = !isBroken;
    if (first.replicaId !== "bad" || !isBroken) {
      answer(first);
      continue;
    }
    failedCount += 1;
    const second = fail(first);
    expect(second?.replicaId).toBe("good");
    if (second) answer(second);
  }

  expect(badState()).toBe("ejected");
  expect(failedCount).toBeLessThanOrEqual(4);
});

test("requests that every replica fails eject none of two whose other answers are good", () => {
  const { ask, fail, answer, ejections } = rig();
  for (let calls = 0; calls < 60; calls += 1) {
    const first = ask();
    if (!first) throw new Error("nothing was sent");
    if (calls % 4 > 0) {
      answer(first);
      continue;
    }
    const second = fail(first);
    if (second) fail(second);
  }

  expect(ejections()).toEqual([0, 0]);
});
