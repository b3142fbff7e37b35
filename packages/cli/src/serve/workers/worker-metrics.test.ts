import { expect, test } from "vitest";
import { joinedMetrics } from "./worker-metrics.ts";

const about = (name: string) => `# HELP ${name} What it counts.\n# TYPE ${name} counter\n`;

test("each sample says whose it is, and a metric's samples stay together", () => {
  const one = `${about("calls")}calls{model="a"} 1\n${about("bytes")}bytes 7\n`;
  const two = `${about("calls")}calls{model="a"} 2\ncalls{model="{}"} 3\n${about("errors")}errors 1\n`;

  const text = joinedMetrics([
    { number: 1, text: one },
    { number: 2, text: two },
  ]);

  expect(text).toBe(
    `${about("calls")}calls{worker="1",model="a"} 1
calls{worker="2",model="a"} 2
calls{worker="2",model="{}"} 3

${about("bytes")}bytes{worker="1"} 7

${about("errors")}errors{worker="2"} 1
`,
  );
});

test("the samples of a histogram stay with it, and so does a time", () => {
  const text = `${about("took")}took_bucket{le="+Inf"} 4 1700000000000\ntook_count 4\n`;

  expect(joinedMetrics([{ number: 3, text }])).toBe(
    `${about("took")}took_bucket{worker="3",le="+Inf"} 4 1700000000000\ntook_count{worker="3"} 4\n`,
  );
});

test("without a worker there is nothing", () => {
  expect(joinedMetrics([])).toBe("");
});
