import { expect, test } from "vitest";
import { schedulerSettings } from "../../settings.ts";
import type { Arrival, AttemptFailure, SchedulerCommand, SchedulerEvent } from "../events.ts";
import { createScheduler } from "../scheduler.ts";
import { arrival } from "../testing.ts";

interface Replicas {
  readonly [region: string]: readonly string[];
}

/** A scheduler whose replicas are ready, gateways those whose name begins so; time moves by hand. */
function rig(regions: Replicas) {
  const settings = schedulerSettings({ pacing: false }, { ownRegion: "here" });
  const core = createScheduler(settings);
  let nowMs = 0;
  const tell = (event: SchedulerEvent) => core.handle(event, nowMs);
  const probed = (replicaId: string, finding: "ready" | "warming" | "lost" = "ready") => {
    const versions = { listed: [1n], latest: 1n };
    const told = finding === "ready" ? { versions } : {};
    return tell({ type: "probed", model: "m", replicaId, finding, ...told });
  };
  tell({
    type: "pools",
    pools: Object.entries(regions).map(([region, ids]) => ({
      model: "m",
      region,
      replicaIds: ids,
      parallelism: 1,
      isGateway: ids.every((id) => id.startsWith("gateway")),
    })),
  });
  for (const id of Object.values(regions).flat()) probed(id);
  let nextId = 0;
  return {
    tell,
    probed,
    advance: (ms: number) => {
      nowMs += ms;
      return tell({ type: "tick" });
    },
    ask: (hints: Partial<Arrival> = {}) => {
      nextId += 1;
      return sentIn(tell({ type: "arrival", request: arrival(nextId, hints) }));
    },
    fail: (attemptId: number | undefined, failure: AttemptFailure = "not-served") =>
      tell({ type: "failed", attemptId: attemptId ?? 0, failure }),
    stateOf: (id: string) =>
      core
        .status(nowMs)
        .pools.flatMap(({ replicas }) => replicas)
        .find((each) => each.id === id),
  };
}

function sentIn(commands: readonly SchedulerCommand[]) {
  return commands.flatMap((each) => (each.type === "send" ? [each] : []));
}

const of = <Type extends SchedulerCommand["type"]>(
  type: Type,
  commands: readonly SchedulerCommand[],
) => commands.filter((each) => each.type === type);

test("a replica that does not serve the model is probed, gets nothing until then, and the call goes elsewhere", () => {
  const one = rig({ here: ["a", "b"] });
  const [sent] = one.ask();

  const after = one.fail(sent?.attemptId);

  expect(sentIn(after)).toMatchObject([{ id: 1, replicaId: "b" }]);
  expect(of("probe", after)).toEqual([{ type: "probe", model: "m", replicaId: "a" }]);
  expect(one.stateOf("a")).toMatchObject({ state: "suspect", ejections: 0 });
  expect([...one.ask(), ...one.ask()].map(({ replicaId }) => replicaId)).toEqual(["b"]);
});

test("a good probe brings it back with all of its slots", () => {
  const one = rig({ here: ["a", "b"] });
  one.fail(one.ask()[0]?.attemptId);

  one.probed("a");

  expect(one.stateOf("a")?.state).toBe("ready");
  expect([...one.ask(), ...one.ask()].filter(({ replicaId }) => replicaId === "a")).toHaveLength(2);
});

test("one that says that the model is not there is no broken one, and gets calls when a probe finds it", () => {
  const one = rig({ here: ["a", "b"] });
  one.fail(one.ask()[0]?.attemptId);

  one.probed("a", "warming");
  expect(one.stateOf("a")).toMatchObject({ state: "warming", ejections: 0 });
  one.probed("a");

  expect(one.stateOf("a")?.state).toBe("ready");
});

test("a probe that was on its way before the rejection does not clear it", () => {
  const one = rig({ here: ["a", "b"] });
  const [sent] = one.ask();
  expect(of("probe", one.advance(5_000))).toHaveLength(2);
  one.fail(sent?.attemptId);

  expect(of("probe", one.probed("a"))).toHaveLength(1);
  expect(one.stateOf("a")?.state).toBe("suspect");
  one.probed("a");

  expect(one.stateOf("a")?.state).toBe("ready");
});

test("an answer from before the rejection does not clear it either", () => {
  const one = rig({ here: ["a", "b"] });
  const [first] = one.ask();
  one.ask();
  const [third] = one.ask();
  expect(third?.replicaId).toBe(first?.replicaId);
  one.fail(third?.attemptId);

  one.tell({ type: "answered", attemptId: first?.attemptId ?? 0 });

  expect(one.stateOf("a")?.state).toBe("suspect");
});

test("wrong requests do not keep a replica from others for long", () => {
  const one = rig({ here: ["a", "b"] });
  one.fail(one.ask()[0]?.attemptId);
  one.probed("a");
  const reject = () => {
    const sent = one.ask().find(({ replicaId }) => replicaId === "a");
    one.fail(sent?.attemptId);
    return one.stateOf("a")?.state;
  };

  one.advance(10);
  expect(reject()).toBe("ready");
  one.probed("a");
  one.advance(1_000);

  expect(reject()).toBe("suspect");
});

test("the last replica that serves is not doubted, and the request ends with what it said", () => {
  const one = rig({ here: ["a", "b"] });
  const [first] = one.ask();
  const [second] = sentIn(one.fail(first?.attemptId));

  const after = one.fail(second?.attemptId);

  expect(of("reject", after)).toMatchObject([{ because: "attempt-failed", attemptId: 2 }]);
  expect(one.stateOf("b")?.state).toBe("ready");
});

test("a gateway is not doubted: it sees to its own replicas", () => {
  const one = rig({ here: ["a"], there: ["gateway-there"] });
  const [sent] = one.ask({ region: "there" });

  const after = one.fail(sent?.attemptId);

  expect(sentIn(after)).toMatchObject([{ replicaId: "a" }]);
  expect(one.stateOf("gateway-there")?.state).toBe("ready");
});

test("residency is not left for a replica that has the model", () => {
  const one = rig({ here: ["a"], there: ["b"] });
  const [sent] = one.ask({ residency: ["here"] });

  const after = one.fail(sent?.attemptId);

  expect(sentIn(after)).toEqual([]);
  expect(of("reject", after)).toMatchObject([{ because: "attempt-failed" }]);
});

test("who waits for a doubted replica alone waits for its probe", () => {
  const one = rig({ here: ["a"], there: ["b"] });
  one.fail(one.ask()[0]?.attemptId);

  expect(one.ask({ residency: ["here"] })).toEqual([]);

  expect(sentIn(one.probed("a"))).toMatchObject([{ id: 2, replicaId: "a" }]);
});

test.each([
  { failure: "not-served", isSentAgain: true },
  { failure: "unknown-label", isSentAgain: true },
  { failure: "model-broken", isSentAgain: false },
] as const)(
  "after $failure a request that must not be done twice is sent again: $isSentAgain",
  (each) => {
    const one = rig({ here: ["a", "b"] });
    const [sent] = one.ask({ isIdempotent: false });

    const after = one.fail(sent?.attemptId, each.failure);

    expect(sentIn(after).length > 0).toBe(each.isSentAgain);
  },
);

test("a label that one replica does not know is no matter of the replica", () => {
  const one = rig({ here: ["a", "b"] });
  const [sent] = one.ask({ versionLabel: "stable" });

  const after = one.fail(sent?.attemptId, "unknown-label");

  expect(of("probe", after)).toEqual([]);
  expect(one.stateOf("a")?.state).toBe("ready");
});

test("retries after not-served are free of the budget, and do not count against a region", () => {
  const ids = ["a", "b", "c", "d"];
  const one = rig({ here: ids, there: ["e"] });
  let sent = one.ask();
  for (let count = 0; count < 3; count += 1) {
    expect(ids).toContain(sent[0]?.replicaId);
    sent = sentIn(one.fail(sent[0]?.attemptId));
  }

  expect(ids).toContain(sent[0]?.replicaId);
});
