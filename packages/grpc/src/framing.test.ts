import { expect, test } from "vitest";
import { compressedFlag, messageBytes, messagePrefix, readPrefix } from "./wire.ts";

test("the prefix of a message in pieces has the length of them all", () => {
  const segments = [Uint8Array.of(1, 2), Uint8Array.of(3)];

  expect([...messagePrefix(messageBytes(segments))]).toEqual([0, 0, 0, 0, 3]);
});

test("a prefix is read as it was written", () => {
  expect(readPrefix(messagePrefix(4_000_000_000, compressedFlag))).toEqual({
    flags: compressedFlag,
    byteCount: 4_000_000_000,
  });
});
