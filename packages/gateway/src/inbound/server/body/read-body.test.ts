import http from "node:http";
import { Socket } from "node:net";
import { expect, test } from "vitest";
import type { BodyUsage } from "./body-budget.ts";
import { readBody, wholeBody } from "./read-body.ts";

const usage = { arrived() {}, reserve() {}, complete() {}, onFailure() {} } as unknown as BodyUsage;

/** Reads a body that arrives in these pieces. */
async function bodyOf(
  pieces: readonly Buffer[],
  request = new http.IncomingMessage(new Socket()),
): Promise<string> {
  const byteCount = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const whole = readBody(request, usage, wholeBody(byteCount, byteCount));
  for (const piece of pieces) request.push(piece);
  request.complete = true;
  request.push(null);
  return Buffer.from(await whole).toString("latin1");
}

test("a long piece is freed once it was copied, also if it is the whole body", async () => {
  const alone = Buffer.alloc(50_000, "a");
  const pieces = [Buffer.alloc(16_384, "b"), Buffer.alloc(70_000, "c")];

  expect(await bodyOf([alone])).toBe("a".repeat(50_000));
  expect(await bodyOf(pieces)).toBe("b".repeat(16_384) + "c".repeat(70_000));
  expect([alone, ...pieces].map(({ byteLength }) => byteLength)).toEqual([0, 0, 0]);
});

test("a piece that shares its memory with others, or is short, stays as it is", async () => {
  const shared = Buffer.alloc(60_000, "d");
  const short = Buffer.alloc(16_383, "e");

  expect(await bodyOf([shared.subarray(0, 30_000), short])).toHaveLength(46_383);
  expect([shared, short].map(({ byteLength }) => byteLength)).toEqual([60_000, 16_383]);
});

test("no piece of a stream of HTTP/2 is freed: what it came in may still be read", async () => {
  const piece = Buffer.alloc(16_384, "f");
  const request = Object.assign(new http.IncomingMessage(new Socket()), {
    stream: { aborted: false },
  });

  expect(await bodyOf([piece], request)).toBe("f".repeat(16_384));
  expect(piece.byteLength).toBe(16_384);
});
