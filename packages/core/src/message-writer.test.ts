import { create, toBinary } from "@bufbuild/protobuf";
import { ModelSpecSchema } from "@tensorgate/proto/tensorflow_serving/model";
import { expect, test } from "vitest";
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
