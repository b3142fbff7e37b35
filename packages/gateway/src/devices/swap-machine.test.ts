import { expect, test } from "vitest";
import type { PlannedDevice } from "./plan-swap.ts";
import { afterEvent, type SwapEvent, type SwapState, startedSwap } from "./swap-machine.ts";

const one: PlannedDevice = { id: "1", alias: "r-1", from: "old", isLoaded: false };
const two: PlannedDevice = { ...one, id: "2", alias: "r-2" };
const loaded: PlannedDevice = { id: "3", alias: "r-3", isLoaded: true };

const done: SwapEvent = { type: "done" };
const abort: SwapEvent = { type: "abort" };
const failed: SwapEvent = { type: "failed", because: "no" };

/** Returns the states of a swap of `devices`. */
function walked(devices: readonly PlannedDevice[], events: readonly SwapEvent[]) {
  const states: SwapState[] = [startedSwap(devices)];
  for (const event of events) states.push(afterEvent(states.at(-1) ?? { state: "done" }, event));
  return states.map((each) =>
    each.state === "in-progress" ? `${each.device.id} ${each.step}` : each.state,
  );
}

const last = (devices: readonly PlannedDevice[], events: readonly SwapEvent[]) =>
  events.reduce(afterEvent, startedSwap(devices));

test("devices are swapped one after the other", () => {
  const steps = ["drain", "reprogram", "load", "check", "readmit"];

  expect(walked([one, two], new Array(10).fill(done))).toEqual([
    ...steps.map((step) => `1 ${step}`),
    ...steps.map((step) => `2 ${step}`),
    "done",
  ]);
});

test("a device that has the model already is only checked", () => {
  expect(walked([loaded], [done, done])).toEqual(["3 check", "3 readmit", "done"]);
});

test("without a device there is nothing to do", () => {
  expect(walked([], [])).toEqual(["done"]);
});

test.each([
  { at: 0, after: "roll-back", because: "it still holds its model" },
  { at: 1, after: "verify", because: "its model is unknown" },
  { at: 2, after: "verify", because: "its model is unknown" },
  { at: 3, after: "failed", because: "a device that fails its smoke test gets no calls" },
  { at: 4, after: "failed", because: "the router goes on probing it" },
])("a failure in step $at leads to $after: $because", ({ at, after }) => {
  expect(walked([one, two], [...new Array(at).fill(done), failed]).at(-1)).toBe(after);
});

test.each([
  { isHeld: true, states: ["verify", "roll-back", "failed"] },
  { isHeld: false, states: ["verify", "failed", "failed"] },
])("after a load that failed, whether it holds the old model ($isHeld) decides", (row) => {
  const events: readonly SwapEvent[] = [
    done,
    failed,
    { type: "verified", isHeld: row.isHeld },
    done,
  ];

  expect(walked([one], events).slice(-3)).toEqual(row.states);
});

test("if verifying fails, the device counts as without its model", () => {
  expect(last([one], [done, failed, failed])).toEqual({
    state: "failed",
    because: "r-1: no; r-1 stays out of rotation",
  });
});

test("an abort rolls back a device that is being drained, whether or not draining fails", () => {
  expect(walked([one, two], [abort, failed, done])).toEqual([
    ...["1 drain", "1 drain", "roll-back", "aborted"],
  ]);
  expect(walked([one], [abort, done, done]).at(-1)).toBe("aborted");
});

test.each([1, 2, 3, 4])("an abort in step %i finishes the device, and starts no other", (at) => {
  const before = new Array(at).fill(done);
  const after = new Array(5 - at).fill(done);

  expect(walked([one, two], [...before, abort, ...after]).at(-1)).toBe("aborted");
  expect(walked([one], [...before, abort, ...after]).at(-1)).toBe("done");
});

test("a device that may not be swapped stays as it is", () => {
  expect(last([one], [{ type: "rejected", because: "floor" }])).toEqual({
    state: "failed",
    because: "r-1: floor",
  });
});

test("what has ended stays as it is", () => {
  expect(last([], [abort, failed, done])).toEqual({ state: "done" });
});
