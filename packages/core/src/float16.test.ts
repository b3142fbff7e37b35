import { expect, test } from "vitest";
import { float16Bits, float16Value, float16Values } from "./float16.ts";

test("every half-precision float comes back as it was", () => {
  for (let half = 0; half < 0x10000; half += 1) {
    const value = float16Value(half);
    const bits = float16Bits(value);
    if (bits !== half && !Number.isNaN(value)) expect(bits).toBe(half);
  }
});

test.each([
  { value: 1, bits: 0x3c00, because: "the exponent is biased by 15" },
  { value: -2, bits: 0xc000, because: "the sign comes first" },
  { value: 65_504, bits: 0x7bff, because: "it is the largest" },
  { value: 65_519, bits: 0x7bff, because: "it is nearer to the largest than to the next" },
  { value: 65_520, bits: 0x7c00, because: "what lies beyond is infinite" },
  { value: 2 ** -24, bits: 0x0001, because: "it is the smallest" },
  { value: 2 ** -25, bits: 0x0000, because: "of zero and the smallest, zero is even" },
  { value: 2 ** -14 - 2 ** -26, bits: 0x0400, because: "a subnormal may round to a normal one" },
  { value: 1 + 2 ** -11, bits: 0x3c00, because: "a tie goes to the even one below" },
  { value: 1 + 3 * 2 ** -11, bits: 0x3c02, because: "a tie goes to the even one above" },
  { value: Number.POSITIVE_INFINITY, bits: 0x7c00, because: "infinity stays infinite" },
  { value: Number.NaN, bits: 0x7e00, because: "NaN stays NaN" },
])("$value becomes $bits: $because", ({ value, bits }) => {
  expect(float16Bits(value)).toBe(bits);
});

test("bytes are read low one first, at any offset", () => {
  const bytes = Uint8Array.of(0xff, 0x00, 0x3c, 0x00, 0xc0);

  expect([...float16Values(bytes.subarray(1))]).toEqual([1, -2]);
});
