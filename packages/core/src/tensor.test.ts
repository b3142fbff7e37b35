import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bytesTensor,
  elementCount,
  fixedSizeTensor,
  float32Tensor,
  float32Values,
  floatValues,
  shortestFloat32,
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

describe("floatValues", () => {
  const bytesOf = (values: Uint16Array | Float32Array | Float64Array) =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  /** The same bytes at an offset that no array of such elements could have. */
  const shifted = (bytes: Uint8Array) => {
    const whole = new Uint8Array(bytes.length + 1);
    whole.set(bytes, 1);
    return whole.subarray(1);
  };

  test.each([
    { dtype: "FP32", data: bytesOf(Float32Array.of(1.5, -2, 0.25)) },
    { dtype: "FP64", data: bytesOf(Float64Array.of(1.5, -2, 0.25)) },
    { dtype: "FP16", data: bytesOf(Uint16Array.of(0x3e00, 0xc000, 0x3400)) },
    { dtype: "BF16", data: bytesOf(Uint16Array.of(0x3fc0, 0xc000, 0x3e80)) },
  ] as const)("reads $dtype", ({ dtype, data }) => {
    expect([...floatValues(fixedSizeTensor(dtype, [3], data))]).toEqual([1.5, -2, 0.25]);
    expect([...floatValues(fixedSizeTensor(dtype, [3], shifted(data)))]).toEqual([1.5, -2, 0.25]);
  });

  test("refuses integers and strings", () => {
    expect(() => floatValues(fixedSizeTensor("INT8", [1], new Uint8Array(1)))).toThrow(TypeError);
    expect(() => floatValues(bytesTensor([0], []))).toThrow(TypeError);
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

/** By trying every number of digits, fewest first. */
function shortestByTrying(value: number): number {
  const lengths = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const texts = lengths.map((digits) => Number(value.toPrecision(digits)));
  return texts.find((each) => Math.fround(each) === value) ?? value;
}

const floats = fc.float({ noNaN: true, noDefaultInfinity: true }).filter((value) => value !== 0);
const fewDigits = fc
  .tuple(fc.integer({ min: 1, max: 999_999 }), fc.integer({ min: -44, max: 30 }))
  .map(([digits, exponent]) => Math.fround(Number(`${digits}e${exponent}`)))
  .filter((value) => value !== 0 && Number.isFinite(value));
const subnormals = fc.integer({ min: 1, max: 2 ** 23 }).map((count) => count * 2 ** -149);

/** Those that scores and boxes are of: their digits are found by arithmetic. */
const ordinary = fc
  .tuple(fc.double({ min: -5, max: 7, noNaN: true }), fc.boolean())
  .map(([exponent, isNegative]) => Math.fround((isNegative ? -1 : 1) * 10 ** exponent));
const bounds = [1e-4, 1e-3, 0.1, 1, 10, 1e5, 1e6].flatMap((power) => neighbors(Math.fround(power)));

/** The float32 numbers around a positive one. */
function neighbors(value: number): readonly number[] {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
  const around = Uint32Array.from({ length: 9 }, (_, index) => bits + index - 4);
  return [...new Float32Array(around.buffer)];
}

test.each([
  { name: "any floats", values: floats },
  { name: "ordinary ones", values: ordinary },
  { name: "those around powers of ten", values: fc.constantFrom(...bounds) },
  { name: "those of few digits", values: fewDigits },
  { name: "subnormal ones", values: subnormals },
])("$name are the same as by trying every length", ({ values }) => {
  fc.assert(
    fc.property(values, (value) => {
      expect(shortestFloat32(value)).toBe(shortestByTrying(value));
    }),
    { numRuns: 5_000 },
  );
});
