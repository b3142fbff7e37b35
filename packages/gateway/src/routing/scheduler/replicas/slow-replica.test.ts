import { expect, test } from "vitest";
import { schedulerSettings } from "../../settings.ts";
import type { SchedulerCommand, SchedulerEvent, Send } from "../events.ts";
import { createScheduler } from "../scheduler.ts";
import { arrival } from "../testing.ts";

/** A scheduler before two servers, of which the first gets its calls answered after times that a test gives. */
function rig() {
  const core = createScheduler(schedulerSettings({ pacing: false }, { ownRegion: "here" }));
  let nowMs = 0;
  let nextId = 0;
  const tell = (event: SchedulerEvent, afterMs = 0.1): readonly SchedulerCommand[] => {
    nowMs += afterMs;
    return core.handle(event, nowMs);
  };
  const ids = ["usual", "other"];
  const pool = { model: "m", region: "here", replicaIds: ids, parallelism: 1, isGateway: false };
  tell({ type: "pools", pools: [pool] });
  const probed = (replicaId: string, finding: "ready" | "lost", afterMs?: number) =>
    tell({ type: "probed", model: "m", replicaId, finding }, afterMs);
  probed("usual", "ready");

  /** Sends calls until one goes to the usual replica, which answers it after a time; others are answered at once. */
  function callUsual(tookMs: number): void {
    for (;;) {
      nextId += 1;
      const commands = tell({ type: "arrival", request: arrival(nextId) });
      const send = commands.find((each): each is Send => each.type === "send");
      if (!send) throw new Error("nothing was sent");
      const isUsual = send.replicaId === "usual";
      tell({ type: "answered", attemptId: send.attemptId }, isUsual ? tookMs : 0.1);
      if (isUsual) return;
    }
  }

  return {
    probed,
    callUsual,
    stateOf: (replicaId: string) =>
      core.status(nowMs).pools[0]?.replicas.find(({ id }) => id === replicaId)?.state,
  };
}

test("a replica that is slow is ejected if another one has proved itself", () => {
  const { probed, callUsual, stateOf } = rig();
  probed("other", "ready");
  for (let count = 0; count < 40; count += 1) callUsual(1);
  expect(stateOf("other")).toBe("ready");

  for (let count = 0; count < 4; count += 1) callUsual(12);

  expect(stateOf("usual")).toBe("ejected");
});

test("one that answers is not ejected for being slow while only a probe speaks for the other", () => {
  const { probed, callUsual, stateOf } = rig();
  for (let count = 0; count < 40; count += 1) callUsual(1);
  probed("other", "lost");
  probed("other", "ready");
  const before = stateOf("other");

  for (let count = 0; count < 3; count += 1) callUsual(12);

  expect([before, stateOf("usual")]).toEqual(["half-open", "ready"]);
  callUsual(12);
  expect(stateOf("usual")).toBe("ready");
});

/** A scheduler before two servers that take many calls at a time, of which `one` may pause. */
function busyRig() {
  const core = createScheduler(schedulerSettings({ pacing: false }, { ownRegion: "here" }));
  let nowMs = 0;
  let nextId = 0;
  const inFlight: Record<string, number[]> = { one: [], other: [] };
  const handle = (event: SchedulerEvent, afterMs = 0): void => {
    nowMs += afterMs;
    for (const each of core.handle(event, nowMs)) {
      if (each.type === "send") inFlight[each.replicaId]?.push(each.attemptId);
    }
  };
  const replicaIds = ["one", "other"];
  const pool = { model: "m", region: "here", replicaIds, parallelism: 8, isGateway: false };
  handle({ type: "pools", pools: [pool] });
  for (const replicaId of replicaIds) {
    handle({ type: "probed", model: "m", replicaId, finding: "ready" });
  }
  const answerAll = (id: string): void => {
    for (const attemptId of inFlight[id]?.splice(0) ?? []) handle({ type: "answered", attemptId });
  };
  return {
    /** Fills both with calls, and lets them answer: `other` each millisecond, `one` after a time. */
    serve: (tookMs: number) => {
      for (let passed = 0; passed < tookMs; passed += 1) {
        for (let count = 0; count < 16; count += 1) {
          if ((inFlight["other"]?.length ?? 0) >= 8) break;
          nextId += 1;
          handle({ type: "arrival", request: arrival(nextId) });
        }
        nowMs += 1;
        answerAll("other");
      }
      answerAll("one");
    },
    stateOfOne: () => core.status(nowMs).pools[0]?.replicas[0]?.state,
  };
}

test("a pause that makes all calls in flight slow ejects no replica, slowness that lasts does", () => {
  const { serve, stateOfOne } = busyRig();
  for (let count = 0; count < 10; count += 1) serve(1);

  for (let count = 0; count < 3; count += 1) {
    serve(12);
    expect(stateOfOne()).toBe("ready");
    serve(1);
    serve(1);
  }
  for (let passed = 0; passed < 36; passed += 12) {
    serve(12);
    expect(stateOfOne()).toBe("ready");
  }
  serve(12);
  expect(stateOfOne()).toBe("ejected");
});
