import {
  type CallContext,
  CancelledError,
  DeadlineExceededError,
  InvalidRequestError,
  type ResolvedModel,
  type ScoreResponse,
  UpstreamFailedError,
} from "@tensorgate/core";
import {
  aCall,
  aRequest,
  aResponse,
  type ManualClock,
  manualClock,
} from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { createRouter } from "./router.ts";
import type { RoutedReplica, RoutedReplicas, Router, RouterDeps } from "./router-api.ts";
import type { ProbeFinding, RoutedPool, StateChange } from "./scheduler/events.ts";
import { schedulerSettings } from "./settings.ts";

/** An attempt that a test answers for by hand. */
interface FakeAttempt {
  readonly replicaId: string;
  readonly call: CallContext;
  readonly answer: (answer: string) => void;
  readonly fail: (error: unknown) => void;
}

/** A router with a clock that stands still, before replicas that are not there. */
interface Rig {
  readonly made: Router<RoutedReplica>;
  readonly clock: ManualClock;
  readonly changes: readonly StateChange[];
  /** Attempts so far, in their order. */
  readonly attempts: readonly FakeAttempt[];
  /** Changes what there is to serve. */
  setPools(pools: readonly RoutedPool[]): void;
  /** Scores a request. @returns what the test answered */
  dispatch(call?: CallContext, model?: Partial<ResolvedModel>): Promise<string>;
}

const aPool = (ids: readonly string[], region = "here"): RoutedPool => ({
  model: "shapes",
  region,
  replicaIds: ids,
  parallelism: 1,
  isGateway: false,
});

/** A router whose replicas are probed already, and ready unless `parts` say otherwise. */
async function startRouter(
  ids: readonly string[],
  deps: Partial<RouterDeps<RoutedReplica>> = {},
): Promise<Rig> {
  const clock = manualClock();
  const changes: StateChange[] = [];
  const attempts: FakeAttempt[] = [];
  let pools: readonly RoutedPool[] = [aPool(ids)];
  let onPools = () => {};
  const replicaOf = (replicaId: string): RoutedReplica => ({
    score: (_request, call) =>
      new Promise<ScoreResponse>((resolve, fail) => {
        const answer = (name: string) =>
          resolve({ ...aResponse, model: { ...aResponse.model, name } });
        attempts.push({ replicaId, call, answer, fail });
      }),
    roundTripMs: () => undefined,
  });
  const replicas: RoutedReplicas<RoutedReplica> = {
    get pools() {
      return pools;
    },
    byId: { get: replicaOf },
    onChange: (listener) => {
      onPools = listener;
    },
  };
  const made = createRouter({
    settings: schedulerSettings({ pacing: false }, { ownRegion: "here" }),
    replicas,
    probe: async () => ({ finding: "ready" as const }),
    onChange: (change) => void changes.push(change),
    aliasOf: (region, id) => `${region}/${id}`,
    clock,
    ...deps,
  });
  await settled();
  return {
    made,
    clock,
    changes,
    attempts,
    setPools: (next) => {
      pools = next;
      onPools();
    },
    dispatch: async (call = aCall(), model = {}) => {
      const request = { ...aRequest, model: { ...aRequest.model, ...model } };
      const answer = await made.score(request, call);
      return answer.model.name;
    },
  };
}

/** Lets whatever was promised happen. */
const settled = (): Promise<void> => new Promise<void>((resolve) => setImmediate(resolve));

const lost = () => new UpstreamFailedError("lost", { wasLost: true });

function abortable(overrides: Partial<CallContext> = {}) {
  const controller = new AbortController();
  return { call: aCall({ ...overrides, signal: controller.signal }), controller };
}

const countOf = (rig: Rig) => {
  const replicas = rig.made.status().pools.flatMap((each) => each.replicas);
  return replicas.reduce((sum, { inFlight }) => sum + inFlight, 0);
};

test("a caller that leaves while queued gets the reason, and no replica gets the call", async () => {
  const rig = await startRouter(["a"]);
  const served = [rig.dispatch(), rig.dispatch()];
  const { call, controller } = abortable();
  const waiting = rig.dispatch(call);
  expect(rig.made.status().pools).toMatchObject([{ waiting: 1 }]);

  const reason = new CancelledError("the client closed the request");
  controller.abort(reason);

  await expect(waiting).rejects.toBe(reason);
  expect(rig.made.status().pools).toMatchObject([{ waiting: 0 }]);
  for (const each of rig.attempts) each.answer("done");
  expect(await Promise.all(served)).toEqual(["done", "done"]);
  expect(rig.attempts).toHaveLength(2);
});

test("a caller that leaves cancels its attempt", async () => {
  const rig = await startRouter(["a"]);
  const { call, controller } = abortable();
  const asked = rig.dispatch(call);

  const reason = new DeadlineExceededError("too late");
  controller.abort(reason);

  await expect(asked).rejects.toBe(reason);
  expect(rig.attempts[0]?.call.signal.reason).toBe(reason);
  rig.clock.advance(10);
  const next = rig.dispatch();
  rig.attempts[1]?.answer("next");
  expect(await next).toBe("next");
});

test("a caller that leaves between two attempts gets the reason, and a failure after it changes nothing", async () => {
  const rig = await startRouter(["a"]);
  const { call, controller } = abortable();
  const asked = rig.dispatch(call);
  const reason = new CancelledError("the client closed the request");
  rig.attempts[0]?.fail(new UpstreamFailedError("broken"));
  controller.abort(reason);

  await expect(asked).rejects.toBe(reason);
  await settled();
  expect(rig.attempts).toHaveLength(1);
  const next = rig.dispatch();
  rig.attempts[1]?.answer("next");
  expect(await next).toBe("next");
});

test("a call whose signal is aborted already is rejected with the reason", async () => {
  const rig = await startRouter(["a"]);
  const reason = new CancelledError("gone");
  const call = aCall({ signal: AbortSignal.abort(reason) });

  await expect(rig.dispatch(call)).rejects.toBe(reason);
  expect(rig.attempts).toHaveLength(0);
});

test("no listener stays at a caller's signal, however its call ends", async () => {
  const rig = await startRouter(["a"]);
  const { signal } = new AbortController();
  const open = new Set<unknown>();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (type: string, listener: never) => {
    open.add(listener);
    add(type, listener);
  };
  signal.removeEventListener = (type: string, listener: never) => {
    open.delete(listener);
    remove(type, listener);
  };

  const answered = rig.dispatch(aCall({ signal }));
  rig.attempts[0]?.answer("done");
  await answered;
  const blamed = rig.dispatch(aCall({ signal }));
  rig.attempts[1]?.fail(new InvalidRequestError("not a picture"));
  await expect(blamed).rejects.toThrow("not a picture");
  await expect(
    rig.dispatch(aCall({ signal, hints: { residency: ["nowhere"] } })),
  ).rejects.toMatchObject({ reason: "forbidden" });

  expect(open.size).toBe(0);
});

test("bytes of a call with several attempts may be read after it has ended", async () => {
  const rig = await startRouter(["a", "b"]);
  const requestBytes = { mayBeRead: false };
  const asked = rig.dispatch(aCall({ deadline: { atMs: 5_000 }, requestBytes }));
  const before = { ...requestBytes };

  rig.attempts[0]?.fail(lost());
  await settled();
  rig.attempts[1]?.answer("by the other");

  expect(await asked).toBe("by the other");
  expect([before.mayBeRead, requestBytes.mayBeRead]).toEqual([false, true]);
});

test("an attempt that throws before it begins fails its call, and frees its slot", async () => {
  const replicas = { pools: [aPool(["a"])], byId: new Map(), onChange: () => {} };
  const rig = await startRouter([], { replicas });

  const asked = rig.dispatch();

  await expect(asked).rejects.toMatchObject({ reason: "internal" });
  expect(countOf(rig)).toBe(0);
});

/** Answers as many calls as it takes to know how long they usually take. */
async function learn(rig: Rig): Promise<void> {
  for (let count = 0; count < 60; count += 1) {
    const asked = rig.dispatch(aCall({ deadline: { atMs: rig.clock.nowMs() + 1_000 } }));
    rig.clock.advance(2);
    rig.attempts.at(-1)?.answer("learnt");
    await asked;
  }
}

test("an orphaned attempt is abandoned when its time is over", async () => {
  const rig = await startRouter(["a", "b"]);
  await learn(rig);
  const asked = rig.dispatch(aCall({ deadline: { atMs: rig.clock.nowMs() + 10_000 } }));
  const first = rig.attempts.at(-1);
  rig.clock.advance(100);
  const second = rig.attempts.at(-1);
  expect(second?.replicaId).not.toBe(first?.replicaId);

  second?.answer("by another");
  expect(await asked).toBe("by another");
  rig.clock.advance(100);

  expect(first?.call.signal.reason).toMatchObject({ reason: "cancelled" });
  expect(second?.call.signal.aborted).toBe(false);
  expect(rig.clock.pendingTimersMs()).toHaveLength(1);
});

test("a call that is not idempotent is sent once, however long its replica takes", async () => {
  const rig = await startRouter(["a", "b"]);
  await learn(rig);
  const call = aCall({ deadline: { atMs: rig.clock.nowMs() + 10_000 } });
  const asked = rig.dispatch(call, { isIdempotent: false, mayHedge: true });
  const before = rig.attempts.length;

  rig.clock.advance(1_000);
  expect(rig.changes.at(-1)).toMatchObject({ to: "suspect", because: "no response in time" });
  rig.clock.advance(5_000);
  expect(rig.attempts).toHaveLength(before);
  rig.attempts.at(-1)?.answer("late");

  expect(await asked).toBe("late");
});

test("slow calls are sent a second time only within the retry budget", async () => {
  const options = { pacing: false, retryShare: 0 };
  const settings = schedulerSettings(options, { ownRegion: "here" });
  const rig = await startRouter([..."abcdefghijklmnopqrstuvwx"], { settings });
  for (let count = 0; count < 10; count += 1) await learn(rig);
  const before = rig.attempts.length;
  const deadline = { atMs: rig.clock.nowMs() + 10_000 };
  const asked = Array.from({ length: 12 }, () => rig.dispatch(aCall({ deadline })));
  expect(rig.attempts).toHaveLength(before + 12);

  rig.clock.advance(100);

  // Ten further attempts are always allowed, and these calls add none.
  expect(rig.attempts).toHaveLength(before + 12 + 10);
  for (const { answer } of rig.attempts) answer("late");
  await Promise.all(asked);
});

test("a probe that throws counts as one without an answer", async () => {
  const rig = await startRouter(["a"], {
    probe: async () => {
      throw new RangeError("there is no replica a");
    },
  });

  expect(rig.changes).toMatchObject([{ replicaId: "a", to: "ejected" }]);
});

test("a drained replica is idle when its last attempt has ended, and gets nothing new until then", async () => {
  const rig = await startRouter(["a", "b"]);
  const asked = rig.dispatch();
  const busy = rig.attempts[0]?.replicaId ?? "";
  let isDrained = false;

  const drained = rig.made.drain(busy).then(() => {
    isDrained = true;
  });
  const others = [rig.dispatch(), rig.dispatch()];
  await settled();
  expect(isDrained).toBe(false);
  expect(rig.attempts.slice(1).map(({ replicaId }) => replicaId)).not.toContain(busy);
  for (const each of rig.attempts) each.answer("done");
  await Promise.all([asked, ...others]);
  await drained;

  rig.made.readmit(busy);
  await settled();
  expect(rig.changes.at(-1)).toMatchObject({ replicaId: busy, to: "ready" });
});

test("a drain does not wait for an attempt whose caller has left", async () => {
  const rig = await startRouter(["a"]);
  const { call, controller } = abortable();
  const asked = rig.dispatch(call);
  const drained = rig.made.drain("a");

  controller.abort(new CancelledError("gone"));

  await expect(asked).rejects.toThrow("gone");
  await drained;
});

test("closing ends queued calls and attempts in flight, and accepts no new ones", async () => {
  const rig = await startRouter(["a"]);
  const calls = [rig.dispatch(), rig.dispatch(), rig.dispatch()];
  const drained = rig.made.drain("a");
  const refused = calls.map((each) => expect(each).rejects.toMatchObject({ reason: "no-replica" }));

  rig.made.close();

  await Promise.all([...refused, drained, rig.made.drain("a")]);
  expect(rig.attempts.map(({ call }) => call.signal.aborted)).toEqual([true, true]);
  expect(rig.clock.pendingTimersMs()).toEqual([]);
  await expect(rig.dispatch()).rejects.toMatchObject({ reason: "no-replica" });
  rig.attempts[0]?.fail(lost());
  await settled();
});

test("the callback of a change may replace the pools, and no timer is lost", async () => {
  let told: ((change: StateChange) => void) | undefined;
  const findings: ProbeFinding[] = ["ready", "lost", "ready"];
  const rig = await startRouter(["a"], {
    probe: async () => ({ finding: findings.shift() ?? "ready" }),
    onChange: (change) => told?.(change),
  });
  told = ({ to }) => {
    if (to === "ejected") rig.setPools([aPool(["a"]), aPool(["b"], "there")]);
  };
  const failed = rig.dispatch();
  rig.attempts[0]?.fail(lost());
  await expect(failed).rejects.toThrow("lost");
  await settled();

  const asked = rig.dispatch(aCall({ deadline: { atMs: 5_000 }, hints: { region: "there" } }));
  rig.attempts[1]?.answer("by the new pool");

  expect(await asked).toBe("by the new pool");
  const [soonestMs = Number.NaN] = rig.clock.pendingTimersMs();
  expect(soonestMs).toBeLessThanOrEqual(250);
});
