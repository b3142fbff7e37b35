import { once } from "node:events";
import { PassThrough } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DeadlineExceededError, type ScoringError } from "@tensorgate/core";
import { expect, test } from "vitest";
import type { NodeRequest } from "../node-http.ts";
import type { BodyUsage } from "./body-budget.ts";
import { createBodyPieces, createGrowingBuffer } from "./read-body.ts";

function open({ isComplete = true } = {}) {
  const request = Object.assign(new PassThrough({ highWaterMark: 16 }), { complete: isComplete });
  let fail = (_error: ScoringError): void => {};
  const arrived: number[] = [];
  const usage = {
    arrived: (byteCount: number) => void arrived.push(byteCount),
    complete: () => {},
    onFailure: (listener: (error: ScoringError) => void) => {
      fail = listener;
    },
  };
  const pieces = createBodyPieces(request as unknown as NodeRequest, usage as unknown as BodyUsage);
  return { request, pieces, arrived, fail: (error: ScoringError) => fail(error) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const all = Number.POSITIVE_INFINITY;

test("a piece is split as it is asked for, and undefined is the end", async () => {
  const { request, pieces } = open();
  request.end(Buffer.from("abcdef"));

  expect(String(await pieces.next(4))).toBe("abcd");
  expect(String(await pieces.next(4))).toBe("ef");
  expect(await pieces.next(4)).toBeUndefined();
});

test("no more is read than is asked for", async () => {
  const { request, pieces, arrived } = open();
  for (let count = 0; count < 5; count += 1) request.write(Buffer.alloc(16));
  await pieces.next(all);
  await settled();

  expect(arrived).toEqual([16]);
});

test("a failure between two reads rejects the next read", async () => {
  const { pieces, fail } = open();
  fail(new DeadlineExceededError("silence"));
  await settled();

  await expect(pieces.next(all)).rejects.toThrow("silence");
});

test("a failure ends the wait for a piece", async () => {
  const { pieces, fail } = open();
  const next = pieces.next(all);
  fail(new DeadlineExceededError("silence"));

  await expect(next).rejects.toThrow("silence");
});

test.each([
  { name: "a cut connection", leave: ({ request }: ReturnType<typeof open>) => request.destroy() },
  { name: "a cut body that ends", leave: ({ request }: ReturnType<typeof open>) => request.end() },
])("$name is the caller's going away", async ({ leave }) => {
  const opened = open({ isComplete: false });
  leave(opened);

  await expect(opened.pieces.next(all)).rejects.toMatchObject({ reason: "cancelled" });
});

test("after stop(), another reader gets the rest of the body", async () => {
  const { request, pieces, arrived } = open();
  request.write(Buffer.from("a"));
  await pieces.next(all);
  pieces.stop();
  request.end(Buffer.alloc(1_000));
  request.resume();
  await once(request, "end");

  expect(arrived).toEqual([1]);
});

test("a piece is let go of while the body goes on", async () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const { request, pieces } = open();
  const seen: WeakRef<object>[] = [];
  for (let count = 0; count < 50; count += 1) {
    request.write(Buffer.from(new ArrayBuffer(16)));
    const piece = await pieces.next(all);
    if (piece) seen.push(new WeakRef(piece.buffer));
  }
  await settled();
  collect();

  expect(seen.filter((buffer) => buffer.deref() !== undefined).length).toBeLessThan(5);
});

test.each([
  { kind: "exactly", declared: 100_000, pieces: [65_536, 34_464], charged: [100_000] },
  { kind: "exactly", declared: 1_000_000_000, pieces: [1], charged: [4_096] },
  { kind: "exactly", declared: 10, pieces: [1, 9], charged: [10] },
  { kind: "exactly", declared: 60_000, pieces: [16_384, 16_384, 27_232], charged: [60_000] },
  { kind: "at-most", declared: 50_000, pieces: [3_000, 3_000, 3_000], charged: [6_000, 18_000] },
  { kind: "at-most", declared: 50_000, pieces: [40_000, 10_000], charged: [50_000] },
  { kind: "at-most", declared: 50_000, pieces: [], charged: [] },
] as const)(
  "$kind $declared in pieces of $pieces takes memory of $charged",
  ({ kind, declared, pieces, charged }) => {
    const buffer = createGrowingBuffer(kind, declared);
    const capacities: number[] = [];

    const whole = Buffer.alloc(pieces.reduce((sum, each) => sum + each, 0)).map((_, at) => at);
    let at = 0;
    for (const length of pieces) {
      buffer.append(whole.subarray(at, at + length), (byteCount) => {
        capacities.push(buffer.capacity + byteCount);
      });
      at += length;
    }

    expect(capacities).toEqual(charged);
    expect(buffer.bytes()).toEqual(whole);
  },
);

test("a piece that has no room changes nothing", () => {
  const buffer = createGrowingBuffer("at-most", 100_000);
  buffer.append(Buffer.from("abc"), () => {});

  const full = () => {
    throw new Error("full");
  };

  expect(() => buffer.append(Buffer.alloc(10_000), full)).toThrow("full");
  expect(() => buffer.append(Buffer.alloc(100_000), () => {})).toThrow(RangeError);
  expect(Buffer.from(buffer.bytes()).toString()).toBe("abc");
});

test("memory is freed immediately, not when the collector runs", () => {
  const buffer = createGrowingBuffer("exactly", 10);
  buffer.append(Buffer.from("abc"), () => {});
  const bytes = buffer.bytes();

  buffer.free();

  expect(bytes.byteLength).toBe(0);
});
