import { expect, test } from "vitest";
import { okCountOf, readLoadResult } from "../../bench/load.ts";

const report = `finished in 1.50s, 2.67 req/s, 11.27KB/s
requests: 4 total, 4 started, 4 done, 3 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 3 2xx, 0 3xx, 0 4xx, 1 5xx
traffic: 16.91KB (17316) total, 204B (204) headers (space savings 0.00%), 1.20KB (1230) data
`;
const log = "10\t200\t4000\n20\t200\t2000\n30\t503\t100\n40\t200\t3000\n";

test("a report of h2load becomes counts, lengths and times of answers", () => {
  expect(readLoadResult(report, log)).toEqual({
    answeredCount: 3,
    bodyBytes: 1_230,
    seconds: 1.5,
    medianMs: 3,
    p99Ms: 4,
  });
});

test.each([
  ["830us", 830e-6],
  ["250.00ms", 0.25],
  ["2m", 120],
])("a duration of %s is %s s", (text, seconds) => {
  expect(readLoadResult(report.replace("1.50s", text), log).seconds).toBeCloseTo(seconds, 9);
});

test("a run that did not finish is reported with what h2load printed", () => {
  expect(() => readLoadResult("could not resolve host", "")).toThrow("could not resolve host");
});

test("where errors have status 200, only bodies of right answers count", () => {
  const result = readLoadResult(report, log);

  expect(okCountOf(result, undefined)).toBe(3);
  expect(okCountOf(result, 600)).toBe(2);
  expect(okCountOf(result, 10)).toBe(3);
});
