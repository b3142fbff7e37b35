import { seededRandom } from "@tensorgate/core";
import { expect, test } from "vitest";
import { chosenVersion, stickyPosition } from "./choose-version.ts";
import { comparedBoxes, comparedLabels } from "./compare-answers.ts";
import { afterEvent, type RolloutEvent, weightsOf } from "./machine.ts";
import { conditionText, parseCondition, type RolloutPlan } from "./plan.ts";
import { noRollout, type RolloutState } from "./state.ts";

const plan: RolloutPlan = {
  from: "3",
  to: "4",
  steps: [5, 25, 50, 100],
  everyMs: 300_000,
  abortIf: [parseCondition("failures>1%"), parseCondition("top1<0.98")],
  minCalls: 20,
  sticky: "none",
  shadowShare: 0.1,
};

const begun = () => afterEvent(noRollout, { type: "start", plan });
const run = (state: RolloutState, ...events: readonly RolloutEvent[]) =>
  events.reduce(afterEvent, state);
const passed = (elapsedMs: number): RolloutEvent => ({ type: "time", elapsedMs });
const called = (hasFailed: boolean): RolloutEvent => ({ type: "call", version: "4", hasFailed });
const compared = (top1: number): RolloutEvent => ({
  type: "compared",
  sums: { compared: 1, top1, top5: top1, iou: 1, distance: 1 - top1 },
});
const shareOf = (state: RolloutState, version: string) => weightsOf(state)?.get(version) ?? 0;

test("steps follow each other in time, and the last one settles it", () => {
  let state = begun();
  const shares = [];
  for (let step = 0; step < 5; step += 1) {
    shares.push(shareOf(state, "4"));
    state = run(state, passed(299_999), passed(1));
  }
  expect(shares).toEqual([0.05, 0.25, 0.5, 1, 1]);
  expect(state).toMatchObject({ stable: "4", running: undefined, before: ["3"] });
  expect(state.history.map(({ text }) => text)).toEqual([
    "version 4 gets 5 %",
    "version 4 gets 25 %",
    "version 4 gets 50 %",
    "version 4 gets 100 %",
    "completed: version 4 gets all calls",
  ]);
});

test("a gateway that slept makes one step", () => {
  expect(shareOf(run(begun(), passed(86_400_000)), "4")).toBe(0.25);
});

test("failures abort it once there are enough calls, and the next call gets the old version", () => {
  const few = run(begun(), ...Array.from({ length: 19 }, () => called(true)));
  expect(few.running).toBeDefined();
  const state = afterEvent(few, called(true));
  expect(state).toMatchObject({ stable: "3", running: undefined });
  expect(state.history.at(-1)?.text).toBe("aborted: failures>1% holds: 100.0 % of 20");
  expect(weightsOf(state)).toEqual(new Map([["3", 1]]));
});

test("answers that mean something else abort it", () => {
  const right = Array.from({ length: 60 }, () => compared(1));
  expect(run(begun(), ...right, compared(0)).running).toBeDefined();
  expect(run(begun(), ...right, compared(0), compared(0)).history.at(-1)?.text).toMatch(
    /^aborted: top1<98% holds: 96.8 % of 62$/,
  );
});

test("promote, abort and undo do what they say, and nothing where they make no sense", () => {
  expect(run(begun(), { type: "promote" })).toMatchObject({ stable: "4", before: ["3"] });
  expect(run(begun(), { type: "abort", because: "x" })).toMatchObject({ stable: "3", before: [] });
  expect(run(begun(), { type: "promote" }, { type: "undo" })).toMatchObject({
    stable: "3",
    before: [],
  });
  expect(() => afterEvent(noRollout, { type: "promote" })).toThrow("no rollout is under way");
  expect(() => afterEvent(noRollout, { type: "undo" })).toThrow("nothing to undo");
  expect(() => run(begun(), { type: "undo" })).toThrow("abort it instead");
  expect(() => run(begun(), { type: "start", plan })).toThrow("to version 4 is under way");
});

test.each([
  { change: { to: "3" }, says: /in use already/ },
  { change: { steps: [] }, says: /ascending percentages .* got none/ },
  { change: { steps: [50, 25, 100] }, says: /got 50,25,100/ },
  { change: { steps: [5, 50] }, says: /up to 100/ },
])("a plan that means nothing is refused: $says", ({ change, says }) => {
  expect(() => afterEvent(noRollout, { type: "start", plan: { ...plan, ...change } })).toThrow(
    says,
  );
});

test.each(["failures>1%", "top1<98%", "top5<50%", "iou<70%", "distance>20%"])(
  "the condition %s is written as it is read",
  (text) => {
    expect(conditionText(parseCondition(text))).toBe(text);
  },
);

test.each(["", "top1", "top1<2", "top1=0.5", "speed<1%", "top1<-1"])(
  "%j is no condition",
  (text) => {
    expect(() => parseCondition(text)).toThrow(
      /is not a condition; expected one such as failures>1%/,
    );
  },
);

test("in any order of events, for 2,000 seeds, weights are shares of 1 of known versions", () => {
  for (let seed = 0; seed < 2_000; seed += 1) {
    const random = seededRandom(seed);
    let state = noRollout;
    for (let step = 0; step < 40; step += 1) {
      const to = String(1 + random.below(4));
      const events: readonly RolloutEvent[] = [
        { type: "start", plan: { ...plan, from: state.stable ?? "1", to } },
        passed(random.below(400_000)),
        { type: "call", version: to, hasFailed: random.chance(0.1) },
        compared(random.chance(0.95) ? 1 : 0),
        { type: "promote" },
        { type: "abort", because: "test" },
        { type: "undo" },
      ];
      const event = events[random.below(events.length)];
      const before = state;
      const reread = JSON.parse(JSON.stringify(before)) as RolloutState;
      if (!event) continue;
      try {
        state = afterEvent(state, event);
        // What was written down goes on as what was not. Comparing all of it is slow, so now and then.
        if (step % 13 === 0) expect(afterEvent(reread, event)).toEqual(state);
      } catch (thrown) {
        if (!(thrown instanceof RangeError)) throw thrown;
      }
      const shares = [...(weightsOf(state) ?? new Map([["latest", 1]])).values()];
      const total = shares.reduce((sum, share) => sum + share, 0);
      if (Math.abs(total - 1) > 1e-12 || shares.some((share) => share < 0)) {
        throw new Error(`seed ${seed}, step ${step}: weights ${shares}`);
      }
      // Whatever changes the weights changes the revision, which other gateways follow.
      const isSame =
        String([...(weightsOf(state) ?? [])]) === String([...(weightsOf(before) ?? [])]);
      if (state.revision < before.revision || (state.revision === before.revision && !isSame)) {
        throw new Error(`seed ${seed}, step ${step}: revision ${state.revision}`);
      }
    }
  }
});

test("over 2,000 seeds the calls of a version are within five deviations of its weight", () => {
  const calls = 1_000;
  let outside = 0;
  for (let seed = 0; seed < 2_000; seed += 1) {
    const random = seededRandom(seed);
    const share = 0.01 + random.next() * 0.98;
    const weights = new Map([
      ["2", share],
      ["1", 1 - share],
    ]);
    let count = 0;
    for (let call = 0; call < calls; call += 1) {
      if (chosenVersion(weights, random.next()) === "2") count += 1;
    }
    const deviation = Math.sqrt(calls * share * (1 - share));
    if (Math.abs(count - calls * share) > 3 * deviation) outside += 1;
    expect(Math.abs(count - calls * share)).toBeLessThan(5 * deviation + 1);
  }
  // Three deviations are exceeded by about 0.3 %.
  expect(outside).toBeLessThan(20);
});

test("three versions share the calls as their weights say", () => {
  const weights = new Map([
    ["1", 0.2],
    ["2", 0.3],
    ["3", 0.5],
  ]);
  const random = seededRandom(7);
  const counts = new Map<string, number>();
  for (let call = 0; call < 10_000; call += 1) {
    const version = chosenVersion(weights, random.next());
    counts.set(version, (counts.get(version) ?? 0) + 1);
  }
  for (const [version, weight] of weights) {
    expect(Math.abs((counts.get(version) ?? 0) / 10_000 - weight)).toBeLessThan(0.02);
  }
  expect(chosenVersion(weights, 1 - 2 ** -53)).toBe("3");
  expect(
    chosenVersion(
      new Map([
        ["1", 0.1],
        ["2", 0.2],
      ]),
      0.99,
    ),
  ).toBe("2");
});

test("keys stay at their version, only ever move to the new one, and are spread evenly", () => {
  const keys = Array.from({ length: 4_000 }, (_, at) => `key-${at}`);
  let moved = new Set<string>();
  for (const step of [0.05, 0.25, 0.5, 1]) {
    const weights = new Map([
      ["4", step],
      ["3", 1 - step],
    ]);
    const now = new Set(
      keys.filter((key) => chosenVersion(weights, stickyPosition("m", key)) === "4"),
    );
    expect(now.size / keys.length).toBeGreaterThan(step - 0.03);
    expect(now.size / keys.length).toBeLessThan(step + 0.03);
    for (const key of moved) expect(now.has(key)).toBe(true);
    moved = now;
  }
  const other = keys.filter(
    (key) => stickyPosition("n", key) < 0.05 && stickyPosition("m", key) < 0.05,
  );
  // Of another model others are first: both by chance only.
  expect(other.length).toBeLessThan(40);
});

const labels = (...pairs: readonly (readonly [string, number])[]) =>
  pairs.map(([label, score], index) => ({ index, label, score }));

test("labels are compared by their meaning", () => {
  const a = labels(["cat", 0.7], ["dog", 0.2], ["cow", 0.1]);
  expect(comparedLabels(a, a)).toEqual({ compared: 1, top1: 1, top5: 1, iou: 1, distance: 0 });
  const b = labels(["dog", 0.6], ["cat", 0.4]);
  expect(comparedLabels(a, b)).toMatchObject({ top1: 0, top5: 2 / 3 });
  expect(comparedLabels(a, b).distance).toBeCloseTo(0.4, 10);
  expect(comparedLabels(a, labels(["ant", 1])).distance).toBeCloseTo(1, 10);
  expect(comparedLabels([], [])).toMatchObject({ top1: 1, top5: 1, distance: 0 });
});

const box = (label: string, x: number, score: number) => {
  const normalized = { x, y: 0, width: 0.2, height: 0.2 };
  return { index: 0, label, score, box: normalized, normalized };
};

test("boxes are compared by class and overlap", () => {
  const a = { boxes: [box("cat", 0, 0.9), box("dog", 0.5, 0.8)] };
  expect(comparedBoxes(a, a)).toMatchObject({ top1: 1, top5: 1, distance: 0 });
  expect(comparedBoxes(a, a).iou).toBeCloseTo(1, 10);
  const near = comparedBoxes(a, { boxes: [box("cat", 0.05, 0.7), box("dog", 0.5, 0.8)] });
  expect(near).toMatchObject({ top1: 1, top5: 1 });
  expect(near.iou).toBeCloseTo((0.6 + 1) / 2, 10);
  expect(near.distance).toBeCloseTo(0.1, 10);
  const other = comparedBoxes(a, { boxes: [box("cow", 0, 0.9), box("dog", 0.5, 0.8)] });
  expect(other).toMatchObject({ top1: 0, top5: 1 / 3 });
  expect(comparedBoxes({ boxes: [] }, { boxes: [] })).toMatchObject({
    top1: 1,
    iou: 1,
    distance: 0,
  });
});
