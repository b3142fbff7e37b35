import { EventEmitter } from "node:events";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { listenDefaults, requestDefaults } from "../../options.ts";
import type { NodeRequest, NodeResponse } from "../node-http.ts";
import { type BodyUsage, createBodyBudget } from "./body-budget.ts";

function open(maxBytesInFlight = 1_000_000) {
  const clock = manualClock();
  const requests = { ...requestDefaults, maxBytesInFlight };
  const budget = createBodyBudget({ requests, listen: listenDefaults, clock });
  function request(kind: "whole" | "stream" = "whole", contentLength = 100_000) {
    const response = new EventEmitter();
    const headers = { "content-length": String(contentLength) };
    const usage = budget.open(
      { headers } as unknown as NodeRequest,
      response as unknown as NodeResponse,
      kind,
    );
    let failure: Error | undefined;
    usage.onFailure((error) => {
      failure = error;
    });
    return { usage, close: () => response.emit("close"), failure: () => failure };
  }
  return { budget, clock, request };
}

/** A piece of a body that has arrived and is held. */
function received(usage: BodyUsage, byteCount: number): void {
  usage.reserve(byteCount);
  usage.arrived(byteCount);
}

test("what came in is counted until the response is closed and the work is done", () => {
  const { budget, request } = open();
  const { usage, close } = request();
  received(usage, 60_000);
  received(usage, 40_000);

  usage.retain();
  usage.retain();
  close();
  usage.release();

  expect(budget.bytesInFlight).toBe(100_000);
  usage.release();
  expect(budget.bytesInFlight).toBe(0);
});

test("what arrives after the end does not stay counted", () => {
  const { budget, request } = open();
  const { usage, close } = request();
  close();

  received(usage, 1_000);

  expect(budget.bytesInFlight).toBe(0);
});

test("more than all requests may hold is refused, and others go on when some end", () => {
  const { request } = open(150_000);
  const first = request();
  received(first.usage, 100_000);
  const second = request("whole", 10);

  expect(() => received(second.usage, 60_000)).toThrow(
    "budget (requests.maxBytesInFlight) exhausted",
  );
  expect(() => request()).toThrow(expect.objectContaining({ reason: "overloaded" }));
  first.close();
  received(second.usage, 60_000);
});

test("what is declared and never sent takes no room from other requests", () => {
  const { request } = open(150_000);
  request("whole", 149_000);
  request("whole", 149_000);
});

test("an unpacked body counts as what it became", () => {
  const { budget, request } = open();
  const { usage, close } = request();
  received(usage, 1_000);

  usage.ensure(300_000);
  usage.ensure(200);

  expect(budget.bytesInFlight).toBe(300_000);
  close();
  expect(budget.bytesInFlight).toBe(0);
});

test("a slow body fails after five seconds, one that keeps its rate does not", () => {
  const { clock, request } = open();
  const slow = request();
  const steady = request();
  for (let second = 0; second < 10; second += 1) {
    received(slow.usage, 1_000);
    received(steady.usage, 9_000);
    clock.advance(1_000);
    expect(slow.failure() === undefined).toBe(second < 4);
  }
  expect(slow.failure()).toMatchObject({ reason: "deadline-exceeded" });
  expect(steady.failure()).toBeUndefined();
});

test("a body that takes longer than a request may fails, at whatever rate", () => {
  const { clock, request } = open();
  const { usage, failure } = request();
  for (let second = 0; second < 30; second += 1) {
    received(usage, 10_000);
    clock.advance(1_000);
  }

  expect(failure()?.message).toContain("30000 ms");
});

test("a whole body is timed no longer", () => {
  const { clock, request } = open();
  const { usage, failure } = request();
  usage.complete();

  expect(clock.pendingTimersMs()).toEqual([]);
  expect(failure()).toBeUndefined();
});

test("a stream may last, and fails when nothing comes for a minute", () => {
  const { clock, request, budget } = open();
  const { usage, failure } = request("stream");
  for (let minute = 0; minute < 10; minute += 1) {
    clock.advance(59_000);
    received(usage, 50_000);
    usage.unreserve(50_000);
  }
  expect(failure()).toBeUndefined();
  expect(budget.bytesInFlight).toBe(0);

  clock.advance(60_000);

  expect(failure()).toMatchObject({ reason: "deadline-exceeded" });
});

test("memory is reserved by itself, and what has no room is not", () => {
  const { budget, request } = open(150_000);
  const { usage, close } = request("whole", 10);
  usage.arrived(10);
  expect(budget.bytesInFlight).toBe(0);

  usage.reserve(100_000);

  expect(() => usage.reserve(60_000)).toThrow(expect.objectContaining({ reason: "overloaded" }));
  expect(budget.bytesInFlight).toBe(100_000);
  expect(usage.receivedBytes).toBe(10);
  close();
  expect(budget.bytesInFlight).toBe(0);
});
