import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { noAttempts } from "./attempt-counts.ts";
import { routingDefaults } from "./options.ts";
import {
  healthAfterAttempt,
  healthAfterProbe,
  nextProbeDelayMs,
  pickLeastInFlight,
  type ReplicaHealth,
  type ReplicaState,
} from "./replica-set.ts";

const ready: ReplicaHealth = { state: "ready", failuresInARow: 0 };
const replica = (id: string, inFlight: number, health: ReplicaHealth = ready): ReplicaState => ({
  id,
  inFlight,
  health,
  counts: noAttempts,
});

describe("healthAfterAttempt", () => {
  test.each([
    {
      outcome: "answered",
      failures: 2,
      after: { state: "ready", failuresInARow: 0 },
      because: "an answer forgives",
    },
    {
      outcome: "failed",
      failures: 1,
      after: { state: "ready", failuresInARow: 2 },
      because: "two failures are too few",
    },
    {
      outcome: "failed",
      failures: 2,
      after: { state: "ejected", ejectionCount: 1 },
      because: "three in a row are enough",
    },
    {
      outcome: "lost",
      failures: 0,
      after: { state: "ejected", ejectionCount: 1 },
      because: "a lost connection is enough",
    },
    {
      outcome: "abandoned",
      failures: 2,
      after: { state: "ready", failuresInARow: 2 },
      because: "a caller that left says nothing",
    },
  ] as const)("$outcome after $failures failures: $because", ({ outcome, failures, after }) => {
    const health = { state: "ready", failuresInARow: failures } as const;

    expect(healthAfterAttempt(health, outcome, routingDefaults)).toEqual(after);
  });

  test("leaves a replica that is out to its probes", () => {
    const health = { state: "ejected", ejectionCount: 3 } as const;

    expect(healthAfterAttempt(health, "answered", routingDefaults)).toBe(health);
  });
});

describe("healthAfterProbe", () => {
  test("brings a replica back by one good probe", () => {
    expect(healthAfterProbe({ state: "ejected", ejectionCount: 5 }, "ready")).toEqual(ready);
  });

  test("counts the probes that nobody answered", () => {
    expect(healthAfterProbe({ state: "ejected", ejectionCount: 1 }, "lost")).toEqual({
      state: "ejected",
      ejectionCount: 2,
    });
  });

  test("takes a model that is loading as warming, not as dead", () => {
    expect(healthAfterProbe(ready, "warming")).toEqual({ state: "warming" });
  });
});

test("probes of a replica that is out become rarer, up to the longest wait", () => {
  const delays = [1, 2, 3, 20].map((ejectionCount) =>
    nextProbeDelayMs({ state: "ejected", ejectionCount }, routingDefaults, 0.999_999),
  );

  expect(delays.map(Math.round)).toEqual([250, 500, 1_000, 30_000]);
});

describe("pickLeastInFlight", () => {
  test("picks the least loaded replica that has not been tried", () => {
    const states = [replica("a", 3), replica("b", 1), replica("c", 2)];

    expect(pickLeastInFlight(states, new Set(["b"]), 0)?.id).toBe("c");
  });

  test("spreads over equals by the draw", () => {
    const states = [replica("a", 1), replica("b", 1)];

    expect([0, 0.99].map((draw) => pickLeastInFlight(states, new Set(), draw)?.id)).toEqual([
      "a",
      "b",
    ]);
  });

  test("never picks a replica that is out, warming or tried", () => {
    const anyHealth = fc.constantFrom<ReplicaHealth>(
      ready,
      { state: "warming" },
      { state: "ejected", ejectionCount: 1 },
    );
    const anyStates = fc.uniqueArray(
      fc.record({
        id: fc.string(),
        inFlight: fc.nat(5),
        health: anyHealth,
        counts: fc.constant(noAttempts),
      }),
      { selector: ({ id }) => id, maxLength: 6 },
    );
    fc.assert(
      fc.property(anyStates, fc.double({ min: 0, max: 0.999, noNaN: true }), (states, draw) => {
        const tried = new Set(states.slice(0, 2).map(({ id }) => id));
        const picked = pickLeastInFlight(states, tried, draw);
        const usable = states.filter(
          ({ id, health }) => health.state === "ready" && !tried.has(id),
        );
        expect(picked === undefined).toBe(usable.length === 0);
        if (picked) expect(usable).toContain(picked);
      }),
    );
  });
});
