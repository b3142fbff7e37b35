import { expect, test } from "vitest";
import { casesOf, hasCases } from "../../../../test/support/conformance-cases.ts";
import { type MetricLabels, prometheusText } from "./prometheus-text.ts";

test.skipIf(hasCases)("TensorFlow Serving's cases are skipped: their folder is not here", () => {});

interface MetricCase {
  readonly name: string;
  readonly metric: {
    readonly kind: "counter" | "gauge";
    readonly name: string;
    readonly labels: MetricLabels;
    readonly value: number;
  };
  readonly expect: { readonly contains: string };
}

test.each(casesOf<MetricCase>("prometheus.jsonl").filter(({ metric }) => "value" in metric))(
  "prometheus.jsonl: $name",
  ({ metric: { kind, name, labels, value }, expect: wanted }) => {
    const text = prometheusText([{ kind, name, points: [{ labels, value }] }]);

    expect(text).toContain(wanted.contains);
  },
);

test("a histogram counts up to each limit", () => {
  const text = prometheusText([
    {
      kind: "histogram",
      name: "/a/b",
      limits: [10, 1_180_591_620.717],
      points: [{ labels: [["API", 'say "x"\\\n']], counts: [1, 2, 3], sum: 34.5 }],
    },
  ]);

  expect(text).toBe(
    `# TYPE :a:b histogram
:a:b_bucket{API="say \\"x\\"\\\\\\n",le="10"} 1
:a:b_bucket{API="say \\"x\\"\\\\\\n",le="1.18059e+09"} 3
:a:b_bucket{API="say \\"x\\"\\\\\\n",le="+Inf"} 6
:a:b_sum{API="say \\"x\\"\\\\\\n"} 34.5
:a:b_count{API="say \\"x\\"\\\\\\n"} 6
`,
  );
});
