import { expect, test } from "vitest";
import { prettyLine } from "./pretty-line.ts";

const time = "2026-01-02T03:04:05.678Z";

test("a call is one line", () => {
  const call = {
    requestId: "r",
    protocol: "rest",
    operation: "POST /v1/classify/{model}",
    reason: "ok",
    model: "shapes",
    version: "1",
    region: "westeurope",
    durationMs: 12.34,
    stages: {},
    receivedBytes: 1,
    attempts: 1,
  };

  expect(prettyLine(JSON.stringify({ time, level: "info", msg: "call", call }))).toBe(
    "03:04:05 ok                    12.3 ms  POST /v1/classify/{model} shapes@1 westeurope\n",
  );
});

test("a replica's change is one line, with where it is and why", () => {
  const replica = {
    alias: "westeurope-1",
    address: "10.0.0.4:8500",
    model: "shapes",
    region: "westeurope",
    from: "ready",
    to: "suspect",
    because: "no response in time",
  };

  expect(prettyLine(JSON.stringify({ time, level: "warn", msg: "replica", replica }))).toBe(
    "03:04:05 westeurope-1 (10.0.0.4:8500) of shapes: ready → suspect, no response in time\n",
  );
});

test("what a caller wrote cannot move the cursor", () => {
  const call = {
    reason: "unknown-model",
    operation: "x",
    askedModel: "\u001b[2Jname\r\n",
    durationMs: 1,
    message: 'unknown model "\u001b[31m"',
  };

  const line = prettyLine(JSON.stringify({ time, level: "info", msg: "call", call }));

  expect(line).not.toContain("\u001b");
  expect(line.trimEnd()).not.toMatch(/[\r\n]/);
});

test("an internal error comes with its stack and whose it is", () => {
  const record = {
    time,
    level: "error",
    msg: "internal error",
    requestId: "r1",
    err: { stack: "at x" },
  };

  expect(prettyLine(JSON.stringify(record))).toBe(
    "tensorgate: error: internal error of request r1: at x\n",
  );
});
