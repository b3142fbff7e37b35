import { bytesTensor, float32Tensor, joined, type Tensor } from "@tensorgate/core";
import { expect, test } from "vitest";
import { predictAnswerJson } from "./predict-answer.ts";

/** Longest piece, in bytes: a part of a string may make six of each of its bytes. */
const maxPieceBytes = 100_000;

const piecesOf = (tensor: Tensor, format: "row" | "columnar", name = "a") => [
  ...predictAnswerJson(new Map([[name, tensor]]), format),
];
const jsonOf = (pieces: readonly Uint8Array[]) =>
  JSON.parse(Buffer.from(joined(pieces)).toString("utf8"));

const numbers = (shape: readonly number[]) => {
  const count = shape.reduce((product, extent) => product * extent, 1);
  return float32Tensor(
    shape,
    Float32Array.from({ length: count }, (_, index) => index),
  );
};

test.each([
  { shape: [2, 3, 20_000], format: "row" },
  { shape: [60_000, 2], format: "columnar" },
  { shape: [60_000], format: "row" },
  { shape: [300, 0, 2], format: "columnar" },
  { shape: [0, 5], format: "row" },
  { shape: [], format: "columnar" },
] as const)("a tensor of shape $shape is the same in however many pieces", ({ shape, format }) => {
  const tensor = numbers(shape);
  const pieces = piecesOf(tensor, format);

  const { predictions, outputs } = jsonOf(pieces);
  const flat = [predictions ?? outputs].flat(3);
  expect(flat).toEqual(Array.from({ length: flat.length }, (_, index) => index));
  expect(flat).toHaveLength(shape.reduce((product, extent) => product * extent, 1));
  for (const piece of pieces) expect(piece.byteLength).toBeLessThan(maxPieceBytes);
});

test.each([
  { name: "text", byteCount: 1_000_000 },
  { name: "image_bytes", byteCount: 1_000_001 },
])("a long string is written in parts: $name", ({ name, byteCount }) => {
  const bytes = new Uint8Array(byteCount).map((_, index) => index % 0x7f);
  const pieces = piecesOf(bytesTensor([2], [bytes, bytes.subarray(0, 1)]), "row", name);

  const { predictions } = jsonOf(pieces);
  const expected = Buffer.from(bytes);
  expect(predictions).toEqual(
    name === "text"
      ? [expected.toString(), "\0"]
      : [{ b64: expected.toString("base64") }, { b64: "AA==" }],
  );
  for (const piece of pieces) expect(piece.byteLength).toBeLessThan(maxPieceBytes);
});

test("millions of empty arrays, which take no bytes in a reply, are not written", () => {
  expect(() => piecesOf(float32Tensor([10_000_000, 0], new Float32Array()), "columnar")).toThrow(
    "more than 65536 empty arrays",
  );
});

test("a type that JSON has no form for is an error before the first piece", () => {
  const data = new Uint8Array(2);
  const tensors = new Map<string, Tensor>([
    ["a", numbers([1, 100_000])],
    ["b", { dtype: "FP16", shape: [1, 1], data }],
  ]);

  expect(() => predictAnswerJson(tensors, "row")).toThrow("Failed to write JSON value");
});
