import { expect, test } from "vitest";
import { flatRow, summarizeRounds } from "../../bench/statistics.ts";

const rounds = [
  { cpuMicros: 30, okShare: 1 },
  { cpuMicros: 10, okShare: 0.5 },
  { cpuMicros: 20.123_456, okShare: 1 },
];

test("rounds become medians with their ranges, to four digits", () => {
  expect(summarizeRounds("image-2kb", "go", rounds)).toEqual({
    row: "image-2kb",
    subject: "go",
    figures: {
      cpuMicros: { median: 20.12, min: 10, max: 30 },
      okShare: { median: 1, min: 0.5, max: 1 },
    },
  });
});

test("a row as JSON is flat", () => {
  expect(flatRow(summarizeRounds("image-2kb", "go", rounds))).toEqual({
    row: "image-2kb",
    subject: "go",
    cpuMicros: 20.12,
    cpuMicrosMin: 10,
    cpuMicrosMax: 30,
    okShare: 1,
    okShareMin: 0.5,
    okShareMax: 1,
  });
});
