import { generalText } from "../rest/decimal-text.ts";

/** Values of a metric's labels, in their order. */
export type MetricLabels = readonly (readonly [name: string, value: string])[];

/** One metric as the original exposes it, under its path such as `/tensorflow/serving/request_count`. */
export type Metric =
  | {
      readonly kind: "counter" | "gauge";
      readonly name: string;
      readonly points: readonly { readonly labels: MetricLabels; readonly value: number }[];
    }
  | {
      readonly kind: "histogram";
      readonly name: string;
      /** Upper limits of the buckets but the last one, which has none. */
      readonly limits: readonly number[];
      readonly points: readonly HistogramPoint[];
    };

interface HistogramPoint {
  readonly labels: MetricLabels;
  /** Values in each bucket, one more than there are limits. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** Digits of a bucket's limit. */
const limitDigits = 6;

/** Writes metrics in Prometheus' text format, with TensorFlow Serving's names: `:tensorflow:serving:request_count`. */
export function prometheusText(metrics: readonly Metric[]): string {
  return metrics
    .flatMap(metricLines)
    .map((line) => `${line}\n`)
    .join("");
}

function metricLines(metric: Metric): readonly string[] {
  const name = validName(metric.name, /[^a-zA-Z0-9_]/g, ":");
  const type = `# TYPE ${name} ${metric.kind}`;
  if (metric.kind !== "histogram") {
    return [
      type,
      ...metric.points.map(({ labels, value }) => `${name}{${pairs(labels)}} ${value}`),
    ];
  }
  return [type, ...metric.points.flatMap((point) => histogramLines(name, metric.limits, point))];
}

function histogramLines(
  name: string,
  limits: readonly number[],
  { labels, counts, sum }: HistogramPoint,
): readonly string[] {
  const own = pairs(labels);
  const before = own === "" ? "" : `${own},`;
  let count = 0;
  const buckets = counts.map((each, index) => {
    count += each;
    const limit = limits[index];
    const text = limit === undefined ? "+Inf" : generalText(limit, limitDigits);
    return `${name}_bucket{${before}le="${text}"} ${count}`;
  });
  const sumText = generalText(sum, limitDigits);
  return [...buckets, `${name}_sum{${own}} ${sumText}`, `${name}_count{${own}} ${count}`];
}

function pairs(labels: MetricLabels): string {
  return labels
    .map(([name, value]) => `${validName(name, /[^a-zA-Z0-9]/g, "_")}="${escaped(value)}"`)
    .join(",");
}

function validName(name: string, invalid: RegExp, by: string): string {
  const valid = name.replace(invalid, by);
  return /^[0-9]/.test(valid) ? `_${valid}` : valid;
}

/** A line feed would end the line: the original leaves it. */
function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
