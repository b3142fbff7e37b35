import { bytesTensor, float32Tensor, type Tensor } from "@tensorgate/core";
import { expect, test } from "vitest";
import { classified } from "./classification.ts";

const textsOf = (tensor: Tensor, classCount: number, labels: readonly string[] = []) => {
  const { shape, elements } = classified("out", tensor, { classCount, labels });
  return { shape, texts: elements.map((each) => Buffer.from(each).toString()) };
};
const scores = (shape: readonly number[], ...values: readonly number[]) =>
  float32Tensor(shape, Float32Array.from(values));

test("ranks each item of a batch, with six decimals and labels", () => {
  const tensor = scores([2, 3], 0.1, 0.7, 0.2, 0.5, 0.25, 0.25);

  expect(textsOf(tensor, 2, ["cat", "dog", "a:b"])).toEqual({
    shape: [2, 2],
    texts: ["0.700000:1:dog", "0.200000:2:a:b", "0.500000:0:cat", "0.250000:1:dog"],
  });
});

test("takes the only axis of an output for its classes", () => {
  expect(textsOf(scores([3], 1, 3, 2), 9)).toEqual({
    shape: [3],
    texts: ["3.000000:1", "2.000000:2", "1.000000:0"],
  });
});

test("puts NaN last, and writes numbers as C does", () => {
  const tensor = scores(
    [4],
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    2 ** 80,
    Number.POSITIVE_INFINITY,
  );

  expect(textsOf(tensor, 4).texts).toEqual([
    "inf:3",
    "1208925819614629174706176.000000:2",
    "-inf:1",
    "nan:0",
  ]);
});

test("ranks integers of 64 bits exactly", () => {
  const data = new Uint8Array(BigInt64Array.of(2n ** 62n, 2n ** 62n + 1n, -1n).buffer);

  expect(textsOf({ dtype: "INT64", shape: [3], data }, 1).texts).toEqual([`${2n ** 62n + 1n}:1`]);
});

test("an empty batch has no classes", () => {
  expect(textsOf(scores([0, 3]), 2)).toEqual({ shape: [0, 0], texts: [] });
});

test.each([
  { because: "texts have no order", tensor: bytesTensor([1], [new Uint8Array()]) },
  {
    because: "there are too many values",
    tensor: { dtype: "UINT8", shape: [131_073], data: new Uint8Array(131_073) } as const,
  },
])("refuses an output because $because", ({ tensor }) => {
  expect(() => textsOf(tensor, 1)).toThrow(expect.objectContaining({ reason: "invalid-request" }));
});
