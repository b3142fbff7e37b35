import { once } from "node:events";
import { PassThrough } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DeadlineExceededError, type ScoringError } from "@tensorgate/core";
import { expect, test } from "vitest";
import type { NodeRequest } from "../node-http.ts";
import type { BodyUsage } from "./body-budget.ts";
import { createBodyPieces } from "./body-pieces.ts";

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
