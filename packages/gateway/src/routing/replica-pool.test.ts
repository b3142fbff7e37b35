import { manualClockAndRandom } from "@tensorgate/core/testing";
import { expect, test, vi } from "vitest";
import { routingDefaults } from "./options.ts";
import { type Probe, replicaPool } from "./replica-pool.ts";
import type { ProbeFinding } from "./replica-set.ts";

function pool(findings: Readonly<Record<string, ProbeFinding>>) {
  const { clock, random } = manualClockAndRandom();
  const current: Record<string, ProbeFinding> = { ...findings };
  const probe = vi.fn<Probe>(async (_model, id) => current[id] ?? "lost");
  const onHealthChange = vi.fn();
  const made = replicaPool({
    members: { model: "shapes", region: "westeurope", replicaIds: Object.keys(findings) },
    options: routingDefaults,
    probe,
    onHealthChange,
    clock,
    random,
  });
  return { pool: made, clock, probe, current };
}

const none = new Set<string>();

test("nothing is taken before a probe has answered", async () => {
  const { pool: fresh, probe } = pool({ a: "ready" });

  expect(fresh.take(none)).toBeUndefined();
  await probe.mock.results[0]?.value;
  expect(fresh.take(none)).toBe("a");
});

test("a lost replica is left at once and comes back by a good probe", async () => {
  const { pool: one, clock, probe, current } = pool({ a: "ready" });
  await probe.mock.results[0]?.value;
  current["a"] = "lost";
  expect(one.take(none)).toBe("a");

  one.release("a", "lost", 1);
  expect(one.take(none)).toBeUndefined();
  clock.advance(250);
  await probe.mock.results[1]?.value;
  expect(one.take(none)).toBeUndefined();

  current["a"] = "ready";
  clock.advance(500);
  await probe.mock.results[2]?.value;
  expect(one.take(none)).toBe("a");
});

test("load is shared by what is in flight", async () => {
  const { pool: two, probe } = pool({ a: "ready", b: "ready" });
  await Promise.all(probe.mock.results.map(({ value }) => value));

  const taken = [two.take(none), two.take(none)];

  expect(taken.sort()).toEqual(["a", "b"]);
});

test("a closed pool leaves no timer", async () => {
  const { pool: closing, clock, probe } = pool({ a: "ready" });
  await probe.mock.results[0]?.value;

  closing.close();

  expect(clock.pendingTimersMs()).toEqual([]);
});
