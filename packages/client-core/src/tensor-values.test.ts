import { expect, test } from "vitest";
import { type TensorInput, tensorFromInput } from "./tensor-values.ts";

const types = "FP32, FP64, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64";

test.each([
  {
    input: { shape: [1], data: [1], dtype: "float32" },
    why: `dtype must be a type such as ${types}, or BYTES for texts, got "float32"`,
  },
  {
    input: { shape: [1], data: new Float32Array(1), dtype: "toString" },
    why: `dtype must be a type such as ${types}, or BYTES for texts, got "toString"`,
  },
  { input: { shape: [3], data: [1, "2", 3] }, why: "value 1 is not a number" },
  { input: { shape: [2], data: [1, undefined] }, why: "value 1 is not a number" },
  {
    input: { shape: [2], data: [255, 256], dtype: "UINT8" },
    why: "value 1 is 256, which UINT8 cannot hold",
  },
  {
    input: { shape: [1], data: [0.5], dtype: "INT32" },
    why: "value 0 is 0.5, which INT32 cannot hold",
  },
  {
    input: { shape: [1], data: [0.5], dtype: "INT64" },
    why: "value 0 is 0.5, which INT64 cannot hold",
  },
  {
    input: { shape: [1], data: [-1], dtype: "UINT64" },
    why: "value 0 is -1, which UINT64 cannot hold",
  },
  {
    input: { shape: [1], data: [Number.NaN], dtype: "INT16" },
    why: "value 0 is NaN, which INT16 cannot hold",
  },
])("$why", ({ input, why }) => {
  expect(() => tensorFromInput("x", input as unknown as TensorInput)).toThrow(
    expect.objectContaining({ reason: "invalid-request", message: `input "x": ${why}` }),
  );
});

test.each([
  { dtype: "UINT8", data: [0, 255] },
  { dtype: "INT64", data: [-(2 ** 53), 2 ** 53] },
  { dtype: "FP32", data: [0.1, Number.NaN] },
])("the numbers $data are sent as $dtype", ({ dtype, data }) => {
  expect(tensorFromInput("x", { shape: [2], data, dtype })).toMatchObject({ dtype, shape: [2] });
});
