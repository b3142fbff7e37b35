import { expect, test } from "vitest";
import { CallController } from "./call-signal.ts";

test("a listener is called once, when the call ends, and finds the reason", () => {
  const controller = new CallController();
  const { signal } = controller;
  const reasons: unknown[] = [];
  signal.addEventListener("abort", () => reasons.push(signal.reason), { once: true });

  expect(signal.aborted).toBe(false);
  controller.abort("first");
  controller.abort("second");

  expect(reasons).toEqual(["first"]);
  expect(signal.aborted).toBe(true);
  expect(() => signal.throwIfAborted()).toThrow("first");
});

test("a listener that was removed is not called, nor one that comes too late", () => {
  const controller = new CallController();
  const { signal } = controller;
  const called: string[] = [];
  const early = () => void called.push("early");
  const late = () => void called.push("late");
  signal.addEventListener("abort", early, { once: true });
  signal.removeEventListener("abort", early);

  controller.abort("gone");
  signal.addEventListener("abort", late, { once: true });
  controller.abort("again");

  expect(called).toEqual([]);
});

test("listeners may remove each other, and all of the others are called", () => {
  const controller = new CallController();
  const { signal } = controller;
  const called: string[] = [];
  const first = () => {
    called.push("first");
    signal.removeEventListener("abort", first);
    signal.removeEventListener("abort", second);
  };
  const second = () => void called.push("second");
  const third = () => void called.push("third");
  for (const each of [first, second, third]) signal.addEventListener("abort", each, { once: true });

  controller.abort("gone");

  // As an EventTarget does it: what was removed before its turn is not called.
  expect(called).toEqual(["first", "third"]);
});
