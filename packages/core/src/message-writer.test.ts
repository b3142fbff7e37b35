import { create, toBinary } from "@bufbuild/protobuf";
import { ModelSpecSchema } from "@tensorgate/proto/tensorflow_serving/model";
import { expect, test } from "vitest";
import { fieldTag, MessageReader } from "./message-reader.ts";
import { joined, MessageWriter } from "./message-writer.ts";

test.each([
  ["nothing", ""],
  ["ASCII", "serving_default"],
  ["the last character of ASCII", "\u007f"],
  ["the first beyond ASCII", "\u0080"],
  ["letters and symbols", "größe 尺寸 🙂"],
  ["a lone surrogate", "a\ud800"],
  ["a long name", "a".repeat(1_024)],
  ["a longer one", "ä".repeat(5_000)],
])("a string of %s is written as protobuf-es writes it", (_, text) => {
  const writer = new MessageWriter();
  if (text !== "") writer.stringField(1, text);

  const expected = toBinary(
    ModelSpecSchema,
    create(ModelSpecSchema, { name: text.toWellFormed() }),
  );
  expect(joined(writer.finish())).toEqual(expected);
});

test("a payload is referenced, however deep it is, and what is around it is gathered", () => {
  const payload = new Uint8Array(2_000).fill(7);
  const inner = new MessageWriter().varintField(1, 300).bytesField(2, payload).varintField(3, 1);
  const outer = new MessageWriter()
    .stringField(1, "before")
    .messageField(2, new MessageWriter().messageField(1, inner))
    .stringField(3, "after");

  const segments = outer.finish();

  expect(segments).toHaveLength(3);
  expect(segments[1]).toBe(payload);
});

test("many short texts are gathered in few segments", () => {
  const texts = Array.from({ length: 100_000 }, (_, index) =>
    new Uint8Array(index % 200).fill(index),
  );
  const elements = new MessageWriter();
  for (const text of texts) elements.bytesField(1, text);

  const segments = new MessageWriter().messageField(4, elements).finish();

  // The length of what is gathered is at most 16 KiB; a text that does not fit begins the next.
  expect(Math.max(...segments.map(({ byteLength }) => byteLength))).toBeLessThanOrEqual(16_384);
  expect(segments.length).toBeLessThan(660);
  const reader = new MessageReader(joined(segments));
  expect(reader.next() && reader.tag).toBe(fieldTag(4));
  const inner = new MessageReader(reader.bytes());
  const read: Uint8Array[] = [];
  while (inner.next()) read.push(inner.bytes());
  expect(read).toEqual(texts);
});

test.each([63, 64, 65, 127, 128, 1_022, 1_023, 1_024, 16_383, 16_384, 16_385, 40_000])(
  "%d bytes that come one by one, and a text after them, are all there",
  (count) => {
    const writer = new MessageWriter();
    for (let index = 0; index < count; index += 1) writer.varint(index % 128);
    const written = joined(writer.bytesField(1, new Uint8Array(1_000).fill(9)).finish());

    expect(written.byteLength).toBe(count + 3 + 1_000);
    expect(written.subarray(0, count)).toEqual(
      Uint8Array.from({ length: count }, (_, at) => at % 128),
    );
    expect(written.subarray(count + 3).every((byte) => byte === 9)).toBe(true);
  },
);
