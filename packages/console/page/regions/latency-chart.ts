import { createSvg, drawingWidth } from "../elements.ts";
import { regionColour } from "./region-colour.ts";

/** A call in the chart; a failed one has no region. */
export interface ChartedCall {
  /** When it ended, of `performance.now()`, in milliseconds. */
  readonly endedMs: number;
  readonly durationMs: number;
  readonly region: string | undefined;
  readonly isAnswered: boolean;
}

/** Start or end of an outage. */
export interface ChartedEvent {
  readonly atMs: number;
  readonly text: string;
}

const height = 130;
const plot = { left: 54, right: 8, top: 16, bottom: 18 };

/** Time that the chart shows, in milliseconds. */
export const chartedMs = 60_000;

/** Draws the latency of the calls of the last minute into a chart, by the region that answered. */
export function drawLatencyChart(
  svg: SVGElement,
  {
    calls,
    events,
    nowMs,
  }: { calls: readonly ChartedCall[]; events: readonly ChartedEvent[]; nowMs: number },
): void {
  const maxMs = niceMaximum(Math.max(20, ...calls.map(({ durationMs }) => durationMs)));
  const width = drawingWidth(svg.parentElement);
  const x = (ms: number) =>
    plot.left + (1 - (nowMs - ms) / chartedMs) * (width - plot.left - plot.right);
  const y = (ms: number) => height - plot.bottom - (ms / maxMs) * (height - plot.top - plot.bottom);

  const isLate = (ms: number) => nowMs - ms < chartedMs / 3;
  const grid = [0, maxMs / 2, maxMs].flatMap((ms) => [
    createSvg("line", { x1: plot.left, x2: width - plot.right, y1: y(ms), y2: y(ms) }),
    createSvg("text", { x: plot.left - 4, y: y(ms) + 4, "text-anchor": "end" }, `${ms} ms`),
  ]);
  const marks = events.flatMap(({ atMs, text }, index) => [
    createSvg("line", {
      class: "event",
      x1: x(atMs),
      x2: x(atMs),
      y1: plot.top - 4,
      y2: height - plot.bottom,
    }),
    createSvg(
      "text",
      // Beside the line, on the side where there is room; neighbours are at different heights.
      isLate(atMs)
        ? { x: x(atMs) - 3, y: plot.top + (index % 2) * 14 - 6, "text-anchor": "end" }
        : { x: x(atMs) + 3, y: plot.top + (index % 2) * 14 - 6 },
      text,
    ),
  ]);
  const dots = calls.map(({ endedMs, durationMs, region, isAnswered }) =>
    createSvg("circle", {
      class: isAnswered && region !== undefined ? regionColour(region) : "failed",
      cx: x(endedMs),
      cy: y(Math.min(durationMs, maxMs)),
      r: isAnswered ? 2.5 : 4,
    }),
  );
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", summaryOf(calls));
  svg.replaceChildren(
    ...grid,
    createSvg("text", { x: plot.left, y: height - 4 }, "a minute ago"),
    createSvg("text", { x: width - plot.right, y: height - 4, "text-anchor": "end" }, "now"),
    ...marks,
    ...dots,
  );
}

/** Returns the next of 20, 50, 100, 200, 500 … */
function niceMaximum(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(ms));
  return ([1, 2, 5, 10].find((step) => step * power >= ms) ?? 10) * power;
}

/** Returns the median latency of each region, for users who do not see the chart. */
function summaryOf(calls: readonly ChartedCall[]): string {
  const regions = [
    ...new Set(
      calls.flatMap(({ region, isAnswered }) =>
        isAnswered && region !== undefined ? [region] : [],
      ),
    ),
  ];
  const parts = regions.map((name) => {
    const sorted = calls
      .filter(({ region, isAnswered }) => isAnswered && region === name)
      .map(({ durationMs }) => durationMs)
      .toSorted((one, other) => one - other);
    return `${sorted[Math.floor(sorted.length / 2)]?.toFixed(0)} ms in ${name}`;
  });
  const failed = calls.filter(({ isAnswered }) => !isAnswered).length;
  return `Latency of the last minute's calls: ${parts.join(", ") || "none yet"}${failed > 0 ? `, ${failed} failed` : ""}`;
}
