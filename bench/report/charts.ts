import type { Row, Summary } from "../statistics.ts";
import { barChart, type Panel } from "./bar-chart.ts";
import { lineChart } from "./line-chart.ts";
import type { Results } from "./results.ts";

/** How the results of a group are drawn. */
type Draw = (results: Results) => string;

const draws: Readonly<Record<string, Draw>> = {
  image: ({ rows }) =>
    barChart({ title: "CPU µs per picture, all threads", panels: panelPerRow(rows, "cpuMicros") }),
  protocol: ({ rows }) =>
    barChart({
      title: "CPU µs per picture of 100 KB, all threads",
      panels: [onePanel("by protocol", rows, "cpuMicros")],
    }),
  tls: ({ rows }) =>
    barChart({
      title: "CPU µs per picture of 100 KB with TLS, all threads",
      panels: panelPerRow(rows, "cpuMicros"),
    }),
  "in-flight": ({ rows }) =>
    lineChart({
      title: "Answers per second, pictures of 100 KB",
      xTitle: "requests in flight",
      xLabels: distinct(rows.map(({ row }) => row)).map((row) => row.replace("in-flight-", "")),
      lines: distinct(rows.map(({ subject }) => subject)).map((subject) => ({
        subject,
        values: rows
          .filter((row) => row.subject === subject)
          .map(({ figures }) => figures["requestsPerSecond"]?.median ?? 0),
      })),
    }),
  growth: ({ rows }) =>
    barChart({
      title: "CPU µs per picture of 2 KB, all threads",
      panels: [onePanel("by replicas and models", rows, "cpuMicros")],
    }),
  workers: ({ rows }) =>
    barChart({
      title: "Answers per second, each worker with the same quota",
      panels: [onePanel("by workers", rows, "requestsPerSecond")],
    }),
  idle: ({ rows }) =>
    barChart({
      title: "Memory of an idle connection, bytes",
      panels: panelPerRow(rows, "bytesPerConnection"),
    }),
  start: ({ rows }) =>
    barChart({ title: "From start to ready, ms", panels: panelPerRow(rows, "startMs") }),
  "json-tensors": ({ rows }) =>
    barChart({
      title: "Reading the JSON of a tensor [1, 224, 224, 3], MB/s",
      panels: panelPerRow(rows, "megabytesPerSecond"),
    }),
  convert: ({ rows }) =>
    barChart({
      title: "Seconds from a SavedModel to ONNX",
      panels: panelPerRow(rows, "seconds"),
    }),
};

/** Names of the groups that are drawn. */
export const chartNames: readonly string[] = Object.keys(draws);

/** @returns an SVG file */
export function chartOf(results: Results): string {
  const draw = draws[results.group];
  if (!draw) throw new Error(`there is no chart of the group ${results.group}`);
  return draw(results);
}

function panelPerRow(rows: readonly Row[], figure: string): readonly Panel[] {
  return distinct(rows.map(({ row }) => row)).map((name) => ({
    heading: name,
    bars: rows
      .filter(({ row }) => row === name)
      .map((row) => ({ label: row.subject, subject: row.subject, value: figureOf(row, figure) })),
  }));
}

function onePanel(heading: string, rows: readonly Row[], figure: string): Panel {
  const bars = rows.map((row) => ({
    label: row.subject === "tensorgate" ? row.row : `${row.row}, ${row.subject}`,
    subject: row.subject,
    value: figureOf(row, figure),
  }));
  return { heading, bars };
}

function figureOf({ row, figures }: Row, figure: string): Summary {
  const value = figures[figure];
  if (!value) throw new Error(`the row ${row} has no figure ${figure}`);
  return value;
}

function distinct(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
