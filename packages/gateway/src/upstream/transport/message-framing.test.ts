import { expect, test } from "vitest";
import { createReplyReader } from "./message-framing.ts";

const reply = Buffer.from([0, 0, 0, 0, 4, 1, 2, 3, 4]);

test.each([0, 3, 5, 8])("a reply that ends after %i bytes is no whole message", (byteCount) => {
  const reader = createReplyReader(1_000);
  reader.push(reply.subarray(0, byteCount));

  expect(() => reader.message()).toThrow(expect.objectContaining({ reason: "upstream-failed" }));
});

test("a reply in two pieces is one message", () => {
  const reader = createReplyReader(1_000);
  reader.push(reply.subarray(0, 7));
  reader.push(reply.subarray(7));

  expect([...reader.message()]).toEqual([1, 2, 3, 4]);
});

test("a compressed reply is refused by its first bytes", () => {
  const reader = createReplyReader(1_000);

  expect(() => reader.push(Buffer.from([1, 0, 0, 0, 4]))).toThrow(
    expect.objectContaining({ reason: "upstream-failed" }),
  );
});
