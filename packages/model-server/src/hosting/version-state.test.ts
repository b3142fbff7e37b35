import { expect, test } from "vitest";
import {
  afterEvent,
  isInTransition,
  type VersionEvent,
  type VersionState,
} from "./version-state.ts";

const failure = { code: 13, message: "no" };
const life: readonly VersionEvent[] = [
  { event: "slot-free" },
  { event: "loaded" },
  { event: "unload-requested" },
  { event: "unloaded" },
];

test("a version goes from start to end, one state after the other", () => {
  const states: VersionState[] = [{ state: "start" }];
  for (const event of life) states.push(afterEvent(states.at(-1) ?? { state: "start" }, event));

  expect(states.map(({ state }) => state)).toEqual([
    "start",
    "loading",
    "available",
    "unloading",
    "end",
  ]);
  expect(states.map(isInTransition)).toEqual([true, true, false, true, false]);
});

test.each(["start", "loading"] as const)("what fails in %s ends with its error", (state) => {
  expect(afterEvent({ state }, { event: "failed", failure })).toEqual({ state: "end", failure });
});

test.each([
  { state: "available", event: "loaded" },
  { state: "end", event: "slot-free" },
  { state: "start", event: "loaded" },
  { state: "unloading", event: "unload-requested" },
] as const)("$event cannot happen in $state", ({ state, event }) => {
  expect(() => afterEvent({ state }, { event })).toThrow(RangeError);
});

test("what is available does not fail", () => {
  expect(() => afterEvent({ state: "available" }, { event: "failed", failure })).toThrow(
    RangeError,
  );
});
