import { expect, test } from "vitest";
import { createLiveValue } from "./live-value.ts";

test("what is derived of a value is replaced with it", () => {
  const live = createLiveValue(1);
  const doubled = live.derive((value) => 2 * value);
  const text = doubled.derive(String);
  live.prepare(4)();
  expect([live.current, doubled.current, text.current]).toEqual([4, 8, "8"]);
});

test("nothing is replaced before all of it is built", () => {
  const live = createLiveValue(1);
  const positive = live.derive((value) => {
    if (value < 0) throw new RangeError("negative");
    return value;
  });
  expect(() => live.prepare(-1)).toThrow("negative");
  const put = live.prepare(2);
  expect([live.current, positive.current]).toEqual([1, 1]);
  put();
  expect([live.current, positive.current]).toEqual([2, 2]);
});

test("a derived value is built again of the same value, and so is what is derived of it", () => {
  let factor = 1;
  const live = createLiveValue(3);
  const multiplied = live.derive((value) => factor * value);
  const text = multiplied.derive(String);
  factor = 5;
  multiplied.rebuild();
  expect([live.current, multiplied.current, text.current]).toEqual([3, 15, "15"]);
});
