import { expect, test } from "vitest";
import { formatTraceparent, parseTraceparent } from "./call-observer.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

test("a traceparent is parsed and written alike", () => {
  const text = `00-${traceId}-${spanId}-01`;
  const context = parseTraceparent(text);

  expect(context).toEqual({ traceId, spanId, traceFlags: 1, isRemote: true });
  expect(context && formatTraceparent(context)).toBe(text);
});

test("fields of later versions are ignored", () => {
  expect(parseTraceparent(`01-${traceId}-${spanId}-00-more`)).toMatchObject({ traceId });
});

test.each([
  "",
  `00-${traceId}-${spanId}`,
  `00-${traceId}-${spanId}-01-more`,
  `ff-${traceId}-${spanId}-01`,
  `00-${"0".repeat(32)}-${spanId}-01`,
  `00-${traceId}-${"0".repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  "x".repeat(10_000),
])("%j counts as no trace context", (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});

test("an invalid span context is not written", () => {
  const none = { traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 };

  expect(formatTraceparent(none)).toBeUndefined();
});
