import { EventEmitter } from "node:events";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { listenDefaults, requestDefaults } from "../../options.ts";
import type { NodeRequest, NodeResponse } from "../node-http.ts";
import { type Intake, intakeGate } from "./intake.ts";

function gate(maxBytesInFlight = 1_000_000) {
  const clock = manualClock();
  const requests = { ...requestDefaults, maxBytesInFlight };
  const opened = intakeGate({ requests, listen: listenDefaults, clock });
  function request(kind: "whole" | "stream" = "whole", contentLength = 100_000) {
    const response = new EventEmitter();
    const headers = { "content-length": String(contentLength) };
    const intake = opened.open(
      { headers } as unknown as NodeRequest,
      response as unknown as NodeResponse,
      kind,
    );
    let failure: Error | undefined;
    intake.onFailure((error) => {
      failure = error;
    });
    return { intake, close: () => response.emit("close"), failure: () => failure };
  }
  return { gate: opened, clock, request };
}

test("what came in is counted until the response is closed and the work is done", () => {
  const { gate: opened, request } = gate();
  const { intake, close } = request();
  intake.took(60_000);
  intake.took(40_000);

  const work = intake.hold();
  close();

  expect(opened.bytesInFlight).toBe(100_000);
  work[Symbol.dispose]();
  work[Symbol.dispose]();
  expect(opened.bytesInFlight).toBe(0);
});

test("what comes after the end is not counted for ever", () => {
  const { gate: opened, request } = gate();
  const { intake, close } = request();
  close();

  intake.took(1_000);

  expect(opened.bytesInFlight).toBe(0);
});

test("more than all requests may hold is refused, and others go on when some end", () => {
  const { request } = gate(150_000);
  const first = request();
  first.intake.took(100_000);
  const second = request("whole", 10);

  expect(() => second.intake.took(60_000)).toThrow("budget (requests.maxBytesInFlight) exhausted");
  expect(() => request()).toThrow(expect.objectContaining({ reason: "overloaded" }));
  first.close();
  second.intake.took(60_000);
});

test("what is declared and never sent keeps nobody out", () => {
  const { request } = gate(150_000);
  request("whole", 149_000);
  request("whole", 149_000);
});

test("an unpacked body counts as what it became", () => {
  const { gate: opened, request } = gate();
  const { intake, close } = request();
  intake.took(1_000);

  intake.atLeast(300_000);
  intake.atLeast(200);

  expect(opened.bytesInFlight).toBe(300_000);
  close();
  expect(opened.bytesInFlight).toBe(0);
});

test("a slow body fails after five seconds, one that keeps its rate does not", () => {
  const { clock, request } = gate();
  const slow = request();
  const steady = request();
  for (let second = 0; second < 10; second += 1) {
    slow.intake.took(1_000);
    steady.intake.took(9_000);
    clock.advance(1_000);
    expect(slow.failure() === undefined).toBe(second < 4);
  }
  expect(slow.failure()).toMatchObject({ reason: "deadline-exceeded" });
  expect(steady.failure()).toBeUndefined();
});

test("a body that takes longer than a request may fails, at whatever rate", () => {
  const { clock, request } = gate();
  const { intake, failure } = request();
  for (let second = 0; second < 30; second += 1) {
    intake.took(10_000);
    clock.advance(1_000);
  }

  expect(failure()?.message).toContain("30000 ms");
});

test("a whole body is timed no longer", () => {
  const { clock, request } = gate();
  const { intake, failure } = request();
  intake.complete();

  expect(clock.pendingTimersMs()).toEqual([]);
  expect(failure()).toBeUndefined();
});

test("a stream may last, and fails when nothing comes for a minute", () => {
  const { clock, request, gate: opened } = gate();
  const { intake, failure } = request("stream");
  for (let minute = 0; minute < 10; minute += 1) {
    clock.advance(59_000);
    intake.took(50_000);
    intake.gave(50_000);
  }
  expect(failure()).toBeUndefined();
  expect(opened.bytesInFlight).toBe(0);

  clock.advance(60_000);

  expect(failure()).toMatchObject({ reason: "deadline-exceeded" });
});

test("memory is reserved by itself, and what has no room is not", () => {
  const { gate: opened, request } = gate(150_000);
  const { intake, close } = request("whole", 10);
  intake.arrived(10);
  expect(opened.bytesInFlight).toBe(0);

  intake.reserve(100_000);

  expect(() => intake.reserve(60_000)).toThrow(expect.objectContaining({ reason: "overloaded" }));
  expect(opened.bytesInFlight).toBe(100_000);
  expect(intake.receivedBytes).toBe(10);
  close();
  expect(opened.bytesInFlight).toBe(0);
});

test.each(["whole", "stream"] as const)(
  "a %s body in pieces of a byte is refused, in pieces of 64 bytes it is not",
  (kind) => {
    const { request } = gate(100_000_000);
    const tiny = request(kind).intake;
    const small = request(kind).intake;
    const take = (intake: Intake, byteCount: number, pieces: number) => {
      for (let piece = 0; piece < pieces; piece += 1) intake.took(byteCount);
    };

    take(small, 64, 100_000);
    expect(() => take(tiny, 1, 100_000)).toThrow(expect.objectContaining({ reason: "too-large" }));

    expect(tiny.receivedBytes).toBe(1_041);
  },
);
