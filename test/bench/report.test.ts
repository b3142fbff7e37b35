import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { groups } from "../../bench/groups/groups.ts";
import { barChart } from "../../bench/report/bar-chart.ts";
import { chartNames, chartOf } from "../../bench/report/charts.ts";
import { lineChart } from "../../bench/report/line-chart.ts";
import { withResults } from "../../bench/report/page.ts";
import { newestResults, type Results } from "../../bench/report/results.ts";
import { plainTable, tableOf } from "../../bench/report/table.ts";
import { summarizeRounds } from "../../bench/statistics.ts";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
const readDoc = (name: string) => readFileSync(`${docs}${name}`, "utf8");

const rows = [
  summarizeRounds("image-2kb", "tensorgate", [
    { cpuMicros: 90, okShare: 1 },
    { cpuMicros: 100, okShare: 0.875 },
    { cpuMicros: 120, okShare: 1 },
  ]),
  summarizeRounds("image-2kb", "go", [{ cpuMicros: 50, okShare: 1 }]),
];
const results: Results = {
  group: "image",
  machine: { date: "2026-01-02T03:04:05.000Z", commit: "abc1234", node: "v26.0.0", cores: 2 },
  versions: { nginx: "1.22.1" },
  settings: { rounds: 3 },
  loadAverage: [0.5, 2.1],
  skipped: { python: "pip: no index" },
  rows,
};

test("a table shows medians, and ranges where they matter", () => {
  expect(plainTable(tableOf(rows))).toBe(
    [
      "row        subject     CPU µs/request  answered",
      "image-2kb  tensorgate    100 (90–120)     100 %",
      "image-2kb  go              50 (50–50)     100 %",
      "",
    ].join("\n"),
  );
});

test("bars are as long as their medians, on one scale", () => {
  const value = (median: number, max = median) => ({ median, min: median, max });
  const bars = [
    { label: "a < b", subject: "tensorgate", value: value(50) },
    { label: "c", subject: "go", value: value(25, 100) },
  ];
  const svg = barChart({ title: "T", panels: [{ heading: "h", bars }] });
  const widths = [...svg.matchAll(/<rect x="[\d.]+" y="[\d.]+" width="([\d.]+)"/g)].map(
    ([, width]) => Number(width),
  );

  expect(widths).toHaveLength(2);
  expect((widths[0] ?? 0) / (widths[1] ?? 1)).toBeCloseTo(2, 1);
  expect(svg).toContain("a &lt; b");
});

test("lines have a point for each category, and the highest value fits", () => {
  const lines = [{ subject: "go", values: [10, 30, 20] }];
  const svg = lineChart({ title: "T", xTitle: "x", xLabels: ["1", "2", "3"], lines });
  const points = /points="([^"]+)"/.exec(svg)?.[1]?.split(" ") ?? [];
  const heights = points.map((point) => Number(point.split(",")[1]));

  expect(heights).toHaveLength(3);
  expect(Math.min(...heights)).toBe(heights[1]);
  expect(Math.min(...heights)).toBeGreaterThan(0);
});

test("a page gets the table, the chart, the machine and what was skipped between its marks", () => {
  const page = "a\n<!-- results of image -->\nold\n<!-- end of results -->\nz\n";
  const written = withResults(page, () => results);

  expect(written).toMatch(/^a\n<!-- results of image -->\n!\[image\]\(performance\/image\.svg\)/);
  expect(written).toContain("| image-2kb | go | 50 (50–50) | 100 % |");
  expect(written).toContain("commit abc1234");
  expect(written).toContain("python skipped: pip: no index.");
  expect(written).not.toContain("old");
  expect(withResults(written, () => results)).toBe(written);
});

test("a group without results says how to measure it", () => {
  const page = "<!-- results of image -->\n<!-- end of results -->\n";

  expect(withResults(page, () => undefined)).toContain("`npm run bench -- --row image`");
});

describe("docs/performance.md", () => {
  test("is what `npm run bench:report` writes of the newest results", () => {
    const page = readDoc("performance.md");

    expect(withResults(page, newestResults)).toBe(page);
  });

  test.each(chartNames)("has the chart of %s that the newest results give", (group) => {
    const newest = newestResults(group);
    const name = `performance/${group}.svg`;

    expect(existsSync(`${docs}${name}`) ? readDoc(name) : undefined).toBe(
      newest && chartOf(newest),
    );
  });
});

test("every group has a chart, and names are names of one thing", () => {
  expect(groups.map(({ name }) => name)).toEqual(chartNames);
  const names = groups.flatMap(({ name, rows: each }) => [
    name,
    ...each.filter((row) => row !== name),
  ]);
  expect(new Set(names).size).toBe(names.length);
});
