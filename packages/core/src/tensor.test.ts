import { describe, expect, test } from "vitest";
import {
  bytesTensor,
  elementCount,
  fixedSizeTensor,
  float32Tensor,
  float32Values,
} from "./tensor.ts";

describe("float32Values", () => {
  const values = Float32Array.of(1.5, -2, 0.25);

  test("views aligned data", () => {
    const tensor = float32Tensor([3], values);

    expect(float32Values(tensor).buffer).toBe(values.buffer);
  });

  test("copies data that are not aligned, also those of a Buffer, whose slices are views", () => {
    const shifted = Buffer.alloc(13);
    shifted.set(new Uint8Array(values.buffer), 1);

    const read = float32Values(fixedSizeTensor("FP32", [3], shifted.subarray(1)));

    expect([...read]).toEqual([...values]);
  });

  test("refuses other types", () => {
    expect(() => float32Values(bytesTensor([0], []))).toThrow(TypeError);
  });
});

test("a scalar has one element, an empty axis none", () => {
  expect([elementCount([]), elementCount([3, 0])]).toEqual([1, 0]);
});

test.each([() => fixedSizeTensor("FP32", [2], new Uint8Array(7)), () => bytesTensor([2], [])])(
  "data that do not fit the shape are refused",
  (make) => {
    expect(make).toThrow(RangeError);
  },
);
