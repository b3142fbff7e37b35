import { expect, test } from "vitest";
import { createGrowingBuffer } from "./growing-buffer.ts";

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

test("memory is freed at once, not when the collector comes", () => {
  const buffer = createGrowingBuffer("exactly", 10);
  buffer.append(Buffer.from("abc"), () => {});
  const bytes = buffer.bytes();

  buffer.free();

  expect(bytes.byteLength).toBe(0);
});
