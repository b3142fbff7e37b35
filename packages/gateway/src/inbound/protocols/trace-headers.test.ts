import type { RoutingStep } from "@tensorgate/core";
import { aCall } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { traceHeaders } from "./trace-headers.ts";

const refused = (because: string): RoutingStep => ({
  atMs: 1.23456,
  step: { what: "refused", because },
});

function traceOf(steps: readonly RoutingStep[]): string {
  const call = aCall({ routingTrace: { isTraced: true, steps } });
  return traceHeaders(call)["x-tensorgate-trace"] ?? "";
}

test("a trace is JSON with its numbers rounded", () => {
  expect(traceOf([refused("overloaded")])).toBe(
    '[{"atMs":1.23,"step":{"what":"refused","because":"overloaded"}}]',
  );
  expect(traceOf([])).toBe("[]");
});

test("a trace is ASCII whatever regions are called, and reads back the same", () => {
  const text = traceOf([refused("région de l'été, 東京 \u007f\n")]);

  expect(text).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.parse(text)).toMatchObject([{ step: { because: "région de l'été, 東京 \u007f\n" } }]);
});

test("steps that are too many are counted rather than written, and cost no more for that", () => {
  const steps = Array.from({ length: 100_000 }, () => refused("overloaded"));

  const text = traceOf(steps);

  expect(text.length).toBeGreaterThan(5_000);
  expect(text.length).toBeLessThan(6_100);
  const written = JSON.parse(text) as unknown[];
  expect(written.at(-1)).toEqual({ stepsLeftOut: steps.length - written.length + 1 });
});

test("a call without a trace has no headers of one", () => {
  expect(traceHeaders(aCall())).toEqual({});
  const routingTrace = { isTraced: false, steps: [refused("overloaded")], expectedWaitMs: 1.26 };
  expect(traceHeaders(aCall({ routingTrace }))).toEqual({ "x-tensorgate-expected-wait-ms": "1.3" });
});
