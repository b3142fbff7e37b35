import { expect, test } from "vitest";
import { compressedFlag, framedMessage, messagePrefix, readPrefix } from "./framing.ts";

test("a message goes out behind its length, uncopied", () => {
  const segments = [Uint8Array.of(1, 2), Uint8Array.of(3)];

  const [prefix, ...rest] = framedMessage(segments);

  expect([...(prefix ?? [])]).toEqual([0, 0, 0, 0, 3]);
  expect(rest[0]).toBe(segments[0]);
  expect(rest[1]).toBe(segments[1]);
});

test("a prefix is read as it was written", () => {
  expect(readPrefix(messagePrefix(4_000_000_000, compressedFlag))).toEqual({
    flags: compressedFlag,
    byteCount: 4_000_000_000,
  });
});
