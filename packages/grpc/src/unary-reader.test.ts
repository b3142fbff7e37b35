import { expect, test } from "vitest";
import { FramingError, UnaryReader } from "./wire.ts";

const reply = Buffer.from([0, 0, 0, 0, 4, 1, 2, 3, 4]);

test.each([0, 3, 5, 8])("a reply that ends after %i bytes is no whole message", (byteCount) => {
  const reader = new UnaryReader(1_000);
  reader.push(reply.subarray(0, byteCount));

  expect(() => reader.message()).toThrow(FramingError);
});

test("a reply in two pieces is one message", () => {
  const reader = new UnaryReader(1_000);
  reader.push(reply.subarray(0, 7));
  reader.push(reply.subarray(7));

  expect([...reader.message()]).toEqual([1, 2, 3, 4]);
});

test("a compressed reply is refused by its first bytes", () => {
  const reader = new UnaryReader(1_000);

  expect(() => reader.push(Buffer.from([1, 0, 0, 0, 4]))).toThrow(FramingError);
});

test("a reply longer than its limit is rejected by its prefix", () => {
  const reader = new UnaryReader(3);

  expect(() => reader.push(reply.subarray(0, 5))).toThrow(
    expect.objectContaining({ name: "FramingError", isTooLong: true }),
  );
});

test("memory of a reply follows what has come, whatever it announces", () => {
  const reader = new UnaryReader(67_108_864);

  reader.push(Buffer.of(0, 3, 0xff, 0xff, 0xff));
  reader.push(Buffer.alloc(10_000));

  expect(reader.heldBytes).toBeLessThan(30_000);
});

test("a message in pieces is put together, and one in one piece is not copied", () => {
  const whole = Buffer.of(0, 0, 0, 0, 4, 1, 2, 3, 4);
  const inPieces = new UnaryReader(100);
  for (const byte of whole) inPieces.push(Buffer.of(byte));
  const atOnce = new UnaryReader(100);
  atOnce.push(whole);

  expect(inPieces.message()).toEqual(Buffer.of(1, 2, 3, 4));
  expect(atOnce.message().buffer).toBe(whole.buffer);
});

test("a reply in far more pieces than its length explains is given up", () => {
  const reader = new UnaryReader(67_108_864);
  reader.push(Buffer.of(0, 0, 0xff, 0xff, 0xff));
  let count = 0;
  const push = () => {
    for (; count < 100_000; count += 1) reader.push(Buffer.of(0));
  };

  expect(push).toThrow(FramingError);
  expect(count).toBeLessThan(1_100);
});
