import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import { bytesTensor, float32Tensor, joined, MessageWriter } from "@tensorgate/core";
import { ExampleSchema, type FeatureSchema } from "@tensorgate/proto/tensorflow/example";
import { expect, test } from "vitest";
import { type FixedFeature, parseExamples } from "./parse-examples.ts";

type FeatureInit = MessageInitShape<typeof FeatureSchema>;

const floats = (...value: readonly number[]): FeatureInit => ({
  kind: { case: "floatList", value: { value: [...value] } },
});
const integers = (...value: readonly bigint[]): FeatureInit => ({
  kind: { case: "int64List", value: { value: [...value] } },
});
const texts = (...value: readonly string[]): FeatureInit => ({
  kind: { case: "bytesList", value: { value: value.map((text) => Buffer.from(text)) } },
});

const example = (feature: Readonly<Record<string, FeatureInit>>): Uint8Array =>
  toBinary(ExampleSchema, create(ExampleSchema, { features: { feature } }));

const parsed = (
  examples: readonly Uint8Array[],
  features: Readonly<Record<string, FixedFeature>>,
) => parseExamples(examples, new Map(Object.entries(features)));

const x: FixedFeature = { dtype: "FP32", shape: [1] };

test("features of every type become tensors with one row an example", () => {
  const tensors = parsed(
    [
      example({ x: floats(1.5, 2), n: integers(-1n), s: texts("a") }),
      example({ x: floats(-0, 3), n: integers(2n ** 62n), s: texts("b"), other: floats(1) }),
    ],
    {
      x: { dtype: "FP32", shape: [2] },
      n: { dtype: "INT64", shape: [] },
      s: { dtype: "BYTES", shape: [1] },
    },
  );

  expect(tensors.get("x")).toEqual(float32Tensor([2, 2], Float32Array.of(1.5, 2, -0, 3)));
  expect(tensors.get("n")).toEqual({
    dtype: "INT64",
    shape: [2],
    data: new Uint8Array(BigInt64Array.of(-1n, 2n ** 62n).buffer),
  });
  expect(tensors.get("s")).toEqual(
    bytesTensor(
      [2, 1],
      [Buffer.from("a"), Buffer.from("b")].map((bytes) => new Uint8Array(bytes)),
    ),
  );
});

test("values that are not packed, as old writers have them, are read", () => {
  const list = new MessageWriter();
  for (const value of [3, 300]) list.varintField(1, value);
  const entry = new MessageWriter()
    .stringField(1, "n")
    .messageField(2, new MessageWriter().messageField(3, list));
  const features = new MessageWriter().messageField(1, entry);
  const bytes = joined(new MessageWriter().messageField(1, features).finish());

  const tensors = parsed([bytes], { n: { dtype: "INT64", shape: [2] } });

  expect(tensors.get("n")).toMatchObject({
    data: new Uint8Array(BigInt64Array.of(3n, 300n).buffer),
  });
});

test("a feature of the example counts, not that of the context before it", () => {
  const [context, own] = [example({ x: floats(1) }), example({ x: floats(2) })];

  const tensors = parsed([joined([context, own]), joined([context, example({})])], { x });

  expect(tensors.get("x")).toEqual(float32Tensor([2, 1], Float32Array.of(2, 1)));
});

test("a missing feature has its default", () => {
  const defaultValue = float32Tensor([1], Float32Array.of(7));

  const tensors = parsed([example({}), example({ x: {} })], { x: { ...x, defaultValue } });

  expect(tensors.get("x")).toEqual(float32Tensor([2, 1], Float32Array.of(7, 7)));
});

test.each([
  {
    feature: {},
    text: "Name: <unknown>, Feature: x (data type: float) is required but could not be found.",
    because: "it is not there",
  },
  {
    feature: { x: integers(1n) },
    text: "Name: <unknown>, Key: x, Index: 0.  Data types don't match. Data type: int64 but expected type: float",
    because: "it has another type",
  },
  {
    feature: { x: texts("1") },
    text: "Name: <unknown>, Key: x, Index: 0.  Data types don't match. Data type: string but expected type: float",
    because: "it is a text",
  },
  {
    feature: { x: floats(1, 2) },
    text: "Name: <unknown>, Key: x, Index: 0.  Number of float values != expected.  Values size: 2 but output shape: [1]",
    because: "it has too many values",
  },
  {
    feature: { x: floats() },
    text: "Name: <unknown>, Key: x, Index: 0.  Number of float values != expected.  Values size: 0 but output shape: [1]",
    because: "it has no value",
  },
])("TensorFlow's text for a feature: $because", ({ feature, text }) => {
  expect(() => parsed([example(feature)], { x })).toThrow(
    `${text}\n\t [[{{node ParseExample/ParseExample}}]]`,
  );
});

test("bytes that are no example are quoted", () => {
  expect(() => parsed([Buffer.from([0x0a, 0x7f, 0x41])], { x })).toThrow(
    "Could not parse example input, value: '\n\x7fA'",
  );
});
