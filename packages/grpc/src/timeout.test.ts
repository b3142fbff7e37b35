import { expect, test } from "vitest";
import { formatTimeout, parseTimeout } from "./wire.ts";

test.each([
  { text: "1H", ms: 3_600_000 },
  { text: "2M", ms: 120_000 },
  { text: "3S", ms: 3_000 },
  { text: "4m", ms: 4 },
  { text: "500u", ms: 0.5 },
  { text: "500000n", ms: 0.5 },
  { text: "99999999S", ms: 99_999_999_000 },
])("$text is $ms ms", ({ text, ms }) => {
  expect(parseTimeout(text)).toBeCloseTo(ms, 9);
});

test.each(["", "m", "1", "-1m", "1.5S", "123456789m", "1s", " 1m"])("%j is no timeout", (text) => {
  expect(parseTimeout(text)).toBe(undefined);
});

test.each([
  { ms: 1_500.9, text: "1500m" },
  { ms: 0.2, text: "1m" },
  { ms: -5, text: "1m" },
  { ms: 99_999_999, text: "99999999m" },
  { ms: 100_000_000, text: "100000S" },
  { ms: 1e15, text: "99999999S" },
])("$ms ms are written as $text", ({ ms, text }) => {
  expect(formatTimeout(ms)).toBe(text);
});
