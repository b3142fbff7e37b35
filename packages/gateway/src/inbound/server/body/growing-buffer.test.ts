import { expect, test } from "vitest";
import { GrowingBuffer, maxMovedBytes } from "./read-body.ts";

const wrongLength = (receivedBytes: number) => new RangeError(`${receivedBytes} bytes`);

/** Has room for everything. */
const roomy = { reserve: () => {} };

test.each([
  { kind: "exactly", declared: 100_000, pieces: [65_536, 34_464], charged: [100_000] },
  { kind: "exactly", declared: 10, pieces: [1, 9], charged: [10] },
  { kind: "exactly", declared: 60_000, pieces: [16_384, 16_384, 27_232], charged: [60_000] },
  { kind: "at-most", declared: 50_000, pieces: [3_000, 3_000, 3_000], charged: [6_000, 18_000] },
  { kind: "at-most", declared: 50_000, pieces: [40_000, 10_000], charged: [50_000] },
  { kind: "at-most", declared: 50_000, pieces: [], charged: [] },
] as const)(
  "$kind $declared in pieces of $pieces takes memory of $charged",
  async ({ kind, declared, pieces, charged }) => {
    const buffer = new GrowingBuffer(kind, declared, wrongLength);
    const capacities: number[] = [];

    const whole = Buffer.alloc(pieces.reduce((sum, each) => sum + each, 0)).map((_, at) => at);
    let at = 0;
    for (const length of pieces) {
      buffer.push(whole.subarray(at, at + length), {
        reserve: (byteCount) => capacities.push(buffer.capacity + byteCount),
      });
      at += length;
    }

    expect(capacities).toEqual(charged);
    expect(await buffer.end()).toEqual(whole);
  },
);

test("what is only declared takes no memory", () => {
  const buffer = new GrowingBuffer("exactly", 1_000_000_000, wrongLength);

  buffer.push(Buffer.from("a"), roomy);

  expect(buffer.capacity).toBe(4_096);
});

test("a piece that has no room changes nothing", async () => {
  const buffer = new GrowingBuffer("at-most", 100_000, wrongLength);
  buffer.push(Buffer.from("abc"), roomy);

  const full = {
    reserve: () => {
      throw new Error("full");
    },
  };

  expect(() => buffer.push(Buffer.alloc(10_000), full)).toThrow("full");
  expect(() => buffer.push(Buffer.alloc(100_000), roomy)).toThrow(RangeError);
  expect(Buffer.from(await buffer.end()).toString()).toBe("abc");
});

test("fewer bytes than are expected exactly are not the whole", () => {
  const buffer = new GrowingBuffer("exactly", 10, wrongLength);
  buffer.push(Buffer.from("abc"), roomy);

  expect(() => buffer.end()).toThrow("3 bytes");
});

test("memory is freed immediately, not when the collector runs", async () => {
  const buffer = new GrowingBuffer("at-most", 10, wrongLength);
  buffer.push(Buffer.from("abc"), roomy);
  const bytes = await buffer.end();

  buffer.free();

  expect(bytes.byteLength).toBe(0);
});

/** Receives a body of one repeated byte, in two pieces. */
async function received(byteCount: number, byte: number, kind: "exactly" | "at-most" = "exactly") {
  const buffer = new GrowingBuffer(kind, byteCount, wrongLength);
  buffer.push(Buffer.alloc(byteCount - 10, byte), roomy);
  buffer.push(Buffer.alloc(10, byte), roomy);
  return { buffer, bytes: await buffer.end() };
}

test("memory of a body is used for another of about its length, once it is left to it", async () => {
  const first = await received(100_000, 1);
  const meanwhile = await received(100_000, 2);
  first.buffer.recycle();
  first.buffer.recycle();

  const second = await received(99_000, 3);
  const third = await received(99_000, 4);

  const isFirst = [meanwhile, second, third].map(
    (each) => each.bytes.buffer === first.bytes.buffer,
  );
  expect(isFirst).toEqual([false, true, false]);
  expect(Buffer.from(second.bytes).equals(Buffer.alloc(99_000, 3))).toBe(true);
});

test.each([
  { kind: "exactly", byteCount: 10_000 },
  { kind: "exactly", byteCount: 5_000_000 },
  { kind: "at-most", byteCount: 99_999 },
] as const)("memory of $byteCount bytes ($kind) is left to the collector", async (of) => {
  const { buffer, bytes } = await received(of.byteCount, 1, of.kind);
  buffer.recycle();

  const next = await received(of.byteCount, 2, of.kind);

  expect(next.bytes.buffer === bytes.buffer).toBe(false);
});

test("a short piece that is the whole body stays where it is", async () => {
  const buffer = new GrowingBuffer("exactly", 2_000, wrongLength);
  const piece = Buffer.allocUnsafeSlow(2_000);
  const charged: number[] = [];

  buffer.push(piece, { reserve: (byteCount) => charged.push(byteCount) });

  expect((await buffer.end()).buffer).toBe(piece.buffer);
  expect(charged).toEqual([2_000]);
});

test("a short piece of larger memory is copied", async () => {
  const buffer = new GrowingBuffer("exactly", 2_000, wrongLength);
  const piece = Buffer.alloc(65_536).subarray(100, 2_100);

  buffer.push(piece, roomy);

  expect((await buffer.end()).buffer.byteLength).toBe(2_000);
});

/** Resolves when the other callbacks of this turn have run. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

// 33 kB of gzip stopped the event loop for tens of milliseconds at a time: 16 MiB were moved in one turn.
test.each(["exactly", "at-most"] as const)(
  "bytes of a long body (%s) are moved little by little, whenever it ends",
  async (kind) => {
    const piece = Buffer.alloc(65_536).map((_, at) => at % 251);
    for (const count of [1, 65, 129, 257]) {
      const byteCount = kind === "exactly" ? count * piece.byteLength : 2 ** 25;
      const buffer = new GrowingBuffer(kind, byteCount, wrongLength);
      let seen = 0;
      const moved = () => {
        const before = seen;
        seen = buffer.movedBytes;
        return seen - before;
      };

      for (let index = 0; index < count; index += 1) {
        buffer.push(piece, roomy);
        expect(moved()).toBeLessThanOrEqual(maxMovedBytes);
      }
      let isOver = false;
      const whole = Promise.resolve(buffer.end()).finally(() => {
        isOver = true;
      });
      while (!isOver) {
        expect(moved()).toBeLessThanOrEqual(maxMovedBytes);
        await turn();
      }

      expect(Buffer.compare(await whole, Buffer.alloc(count * piece.byteLength, piece))).toBe(0);
    }
  },
);
