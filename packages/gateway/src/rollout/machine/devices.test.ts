import { type Random, seededRandom } from "@tensorgate/core";
import { expect, test } from "vitest";
import { chosenVersion } from "./choose-version.ts";
import {
  deviceWish,
  type RolloutDevice,
  type ServingDevices,
  servingOf,
  takingFault,
} from "./devices.ts";
import { afterEvent, type RolloutEvent, weightsOf } from "./machine.ts";
import type { RolloutPlan } from "./plan.ts";
import { noRollout, type RolloutState } from "./state.ts";

const planOf = (count: number, floor = 1): RolloutPlan => ({
  from: "3",
  to: "4",
  steps: [5, 50, 100],
  everyMs: 60_000,
  abortIf: [],
  minCalls: 20,
  sticky: "none",
  shadowShare: 0.1,
  devices: { floor, count, basePath: "", timeoutMs: 600_000 },
});

const started = (count: number, floor?: number) =>
  afterEvent(noRollout, { type: "start", plan: planOf(count, floor) });
const atStep = (state: RolloutState, step: number) =>
  Array.from({ length: step }).reduce<RolloutState>(
    (before) => afterEvent(before, { type: "time", elapsedMs: 60_000 }),
    state,
  );
/** Devices that hold these versions, all in one region; undefined for an empty one. */
const holding = (...versions: readonly (string | undefined)[]): readonly RolloutDevice[] =>
  versions.map((version, at) => ({
    id: `d${at}`,
    alias: `d${at}`,
    region: "r",
    ...(version !== undefined && { version }),
  }));
const shareOf = (state: RolloutState, serving: ServingDevices, isPart = false) =>
  weightsOf(state, serving, isPart)?.get("4");

test.each([
  // A step wants as many devices as carry its share, one at least, and leaves the floor.
  { percent: 5, count: 4, floor: 1, wished: 1 },
  { percent: 25, count: 4, floor: 1, wished: 1 },
  { percent: 26, count: 4, floor: 1, wished: 2 },
  { percent: 7, count: 100, floor: 1, wished: 7 },
  { percent: 50, count: 3, floor: 1, wished: 2 },
  { percent: 50, count: 3, floor: 2, wished: 1 },
  { percent: 100, count: 4, floor: 1, wished: 3 },
  { percent: 100, count: 4, floor: 3, wished: 1 },
])("$percent % of $count devices with a floor of $floor are $wished", ({ wished, ...of }) => {
  const plan = {
    ...planOf(of.count, of.floor),
    steps: [of.percent, 100].slice(0, of.percent === 100 ? 1 : 2),
  };
  const state = afterEvent(noRollout, { type: "start", plan });
  const held = holding(...Array.from({ length: of.count }, () => "3"));
  let devices = held;
  for (let swaps = 0; ; swaps += 1) {
    const wish = deviceWish(state, devices, 0);
    if (wish.kind !== "swap") {
      expect({ kind: wish.kind, swaps }).toEqual({ kind: "none", swaps: wished });
      return;
    }
    devices = devices.map((each) => (each === wish.device ? { ...each, version: "4" } : each));
  }
});

test("the new version gets what the step allows, and no more than its share of the devices", () => {
  const state = atStep(started(4), 1);
  const shares = [0, 1, 2, 3].map((fresh) =>
    shareOf(
      state,
      new Map([
        ["3", 4 - fresh],
        ["4", fresh],
      ]),
    ),
  );
  expect(shares).toEqual([0, 0.25, 0.5, 0.5]);
  // The floor is out of reach for a moment: the step still holds.
  expect(shareOf(state, new Map([["4", 3]]))).toBe(0.5);
  // A call that may not leave a region where only the new version is has no other.
  expect(shareOf(state, new Map([["4", 3]]), true)).toBe(1);
  expect(
    shareOf(
      atStep(started(4), 2),
      new Map([
        ["3", 1],
        ["4", 3],
      ]),
    ),
  ).toBe(0.75);
});

test("an aborted version gets nothing, and its devices are swapped back", () => {
  const state = afterEvent(atStep(started(4), 1), { type: "abort", because: "test" });
  const held = holding("3", "3", "4", "4");
  expect([...(weightsOf(state, servingOf(held)) ?? [])]).toEqual([["3", 1]]);
  expect(deviceWish(state, held, 0)).toMatchObject({
    kind: "swap",
    version: "3",
    device: { id: "d2" },
  });
  expect(deviceWish(state, holding("3", "3", "3", "4"), 2)).toEqual({
    kind: "waits",
    because: "2 calls of version 4 in flight",
  });
  expect(deviceWish(state, holding("3", "3", "3", "3"), 0)).toEqual({ kind: "settled" });
  expect(() => afterEvent(state, { type: "start", plan: planOf(4) })).toThrow(
    "devices that hold version 4 are still being swapped; wait for them",
  );
  const settled = afterEvent(state, { type: "settled" });
  expect(settled.leaving).toBeUndefined();
  expect(afterEvent(settled, { type: "start", plan: planOf(4) }).running).toBeDefined();
});

test("after a promotion the last devices follow, the very last when its calls have ended", () => {
  const state = afterEvent(atStep(started(3), 2), { type: "promote" });
  const held = holding("3", "4", "4");
  expect(shareOf(state, servingOf(held))).toBe(1);
  expect(deviceWish(state, held, 1)).toEqual({
    kind: "waits",
    because: "1 call of version 3 in flight",
  });
  expect(deviceWish(state, held, 0)).toMatchObject({
    kind: "swap",
    version: "4",
    device: { id: "d0" },
  });
});

test("an undo gives calls to the old version only once devices hold it", () => {
  const promoted = afterEvent(atStep(started(3), 2), { type: "promote" });
  const state = afterEvent(afterEvent(promoted, { type: "settled" }), { type: "undo" });
  expect(state).toMatchObject({ stable: "3", leaving: { version: "4", answers: true } });
  expect(shareOf(state, servingOf(holding("4", "4", "4")))).toBe(1);
  expect(deviceWish(state, holding("4", "4", "4"), 9)).toMatchObject({
    kind: "swap",
    version: "3",
  });
  expect(shareOf(state, servingOf(holding("3", "4", "4")))).toBe(0);
});

test("a device that cannot be made to serve the new version aborts", () => {
  const state = afterEvent(started(3), { type: "swap-failed", because: "d0: no such file" });
  expect(state).toMatchObject({ stable: "3", running: undefined });
  expect(state.history.at(-1)?.text).toBe("aborted: d0: no such file");
});

test("a device that is empty is loaded first; devices that were empty before stay so", () => {
  const state = atStep(started(3), 1);
  expect(deviceWish(state, holding("3", "4", undefined), 0)).toMatchObject({
    kind: "swap",
    version: "4",
    device: { id: "d2" },
  });
  // The step has what it wants: the empty one gets the old version back.
  expect(deviceWish(started(3), holding("3", "4", undefined), 0)).toMatchObject({ version: "3" });
  expect(deviceWish(started(3), holding("3", "3", "4", undefined), 0)).toEqual({ kind: "none" });
});

test("devices are taken from the region that has the most", () => {
  const devices = holding("3", "3", "3", "3").map((each, at) => ({
    ...each,
    region: at === 0 ? "a" : "b",
  }));
  expect(deviceWish(started(4), devices, 0)).toMatchObject({ device: { region: "b" } });
});

/** Devices whose swaps take time and may fail, calls that wait before they are sent, and a gateway that may restart. */
function play(seed: number, countsOf: { calls: number; swaps: number; restarts: number }): void {
  const random = seededRandom(seed);
  const count = 2 + random.below(5);
  const floor = 1 + random.below(count - 1);
  let state: RolloutState = noRollout;
  let devices: RolloutDevice[] = holding(...Array.from({ length: count }, () => "3")).map(
    (each) => ({
      ...each,
      region: `r${random.below(2)}`,
    }),
  );
  let swap: { readonly id: string; readonly version: string; readonly endsAt: number } | undefined;
  const calls: { readonly version: string; readonly sentAt: number }[] = [];
  const fail = (because: string) => {
    throw new Error(`seed ${seed}: ${because}; ${JSON.stringify({ devices, state, swap })}`);
  };
  const serving = () => servingOf(devices);
  const openCalls = () => calls.filter(({ version }) => version === state.leaving?.version).length;
  const emptied = (id: string, version?: string) => {
    devices = devices.map(({ version: _old, ...each }) =>
      each.id === id
        ? { ...each, ...(version !== undefined && { version }) }
        : { ...each, ...(_old !== undefined && { version: _old }) },
    );
  };
  const applied = (event: RolloutEvent) => {
    try {
      state = afterEvent(state, event);
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
    }
  };

  function endSwap(): void {
    if (!swap) return;
    const { id, version } = swap;
    swap = undefined;
    if (random.chance(0.1)) {
      // It stays empty.
      if (state.running?.plan.to === version) applied({ type: "swap-failed", because: "test" });
      return;
    }
    emptied(id, version);
    applied({ type: "swapped", device: id, version });
  }

  function beginSwap(now: number): void {
    if (swap) return;
    const wish = deviceWish(state, devices, openCalls());
    if (wish.kind === "settled") applied({ type: "settled" });
    if (wish.kind !== "swap") return;
    const { device, version } = wish;
    const isServing = device.version !== undefined;
    if (isServing && takingFault(state, serving(), openCalls())) fail("a wish that is a fault");
    countsOf.swaps += 1;
    emptied(device.id);
    const left = serving();
    if (isServing && state.running && (left.get(state.running.plan.from) ?? 0) < floor)
      fail("floor");
    const total = [...left.values()].reduce((sum, each) => sum + each, 0);
    if (isServing && state.leaving?.answers && total < floor) fail("floor of all");
    swap = { id: device.id, version, endsAt: now + 1 + random.below(8) };
  }

  for (let now = 0; now < 160; now += 1) {
    const { running } = state;
    const isLate = now > 100;
    if (!running && !isLate && random.chance(0.2)) {
      const held = state.stable ?? "3";
      const plan = { ...planOf(count, floor), from: held, to: held === "3" ? "4" : "3" };
      if ((serving().get(held) ?? 0) > floor) applied({ type: "start", plan });
    }
    if (!isLate && random.chance(0.03)) applied({ type: "promote" });
    if (!isLate && random.chance(0.03)) applied({ type: "undo" });
    if ((!isLate && random.chance(0.03)) || (now === 101 && state.running)) {
      const { plan } = state.running ?? {};
      applied({ type: "abort", because: "test" });
      // The next call gets the old version, whatever the devices hold.
      if (plan && weightsOf(state, serving())?.get(plan.from) !== 1) fail("abort");
    }
    if (random.chance(0.02)) {
      countsOf.restarts += 1;
      // What the gateway knew is what it wrote down; a device between two versions stays empty.
      state = JSON.parse(JSON.stringify(state)) as RolloutState;
      calls.length = 0;
      swap = undefined;
    }
    if (swap && now >= swap.endsAt) endSwap();
    beginSwap(now);
    if (state.running && !swap && deviceWish(state, devices, openCalls()).kind === "none") {
      applied({ type: "time", elapsedMs: 20_000 });
    }
    for (let call = 0; call < 3; call += 1) {
      const version = versionOf(state, serving(), random);
      if (version === undefined) continue;
      countsOf.calls += 1;
      if (state.running && version === state.running.plan.to) {
        const step = state.running.plan.steps[state.running.step] ?? 0;
        if ((weightsOf(state, serving())?.get(version) ?? 0) > step / 100)
          fail("more than the step");
      }
      calls.push({ version, sentAt: now + random.below(4) });
    }
    for (const [at, { version, sentAt }] of [...calls.entries()].reverse()) {
      if (sentAt > now) continue;
      if ((serving().get(version) ?? 0) === 0) fail(`a call of version ${version} finds no device`);
      calls.splice(at, 1);
    }
  }
  const { stable } = state;
  if (stable === undefined) return;
  if (state.leaving || devices.some(({ version }) => version !== stable)) fail("not settled");
}

function versionOf(
  state: RolloutState,
  serving: ServingDevices,
  random: Random,
): string | undefined {
  const weights = weightsOf(state, serving);
  return weights && chosenVersion(weights, random.next());
}

test("over 1,000 seeds the floor holds, every call finds a device, an abort restores, and all settles", () => {
  const counts = { calls: 0, swaps: 0, restarts: 0 };
  for (let seed = 0; seed < 1_000; seed += 1) play(seed, counts);
  // The worlds are not idle.
  expect(counts.calls).toBeGreaterThan(150_000);
  expect(counts.swaps).toBeGreaterThan(3_000);
  expect(counts.restarts).toBeGreaterThan(300);
});

test("a device that was lost since leaves the floor to the others", () => {
  const state = atStep(started(3), 1);
  expect(takingFault(state, new Map([["3", 2]]), 0)).toBeUndefined();
  expect(takingFault(state, new Map([["3", 1]]), 0)).toBe(
    "version 3 would be left with 0 devices; the floor is 1",
  );
  const promoted = afterEvent(atStep(started(4, 2), 2), { type: "promote" });
  expect(
    takingFault(
      promoted,
      new Map([
        ["3", 1],
        ["4", 1],
      ]),
      0,
    ),
  ).toBe("1 device would serve; the floor is 2");
});
