import { colorOf, element, label, svgFile } from "./svg.ts";

export interface LineChart {
  readonly title: string;
  readonly xTitle: string;
  /** Texts below the points, which are evenly apart. */
  readonly xLabels: readonly string[];
  /** Each with as many values as there are labels. */
  readonly lines: readonly Line[];
}

export interface Line {
  readonly subject: string;
  readonly values: readonly number[];
}

const width = 720;
const height = 340;
const plot = { left: 70, right: 600, top: 44, bottom: 280 };
const gridLines = 4;
/** Names at the ends of lines must not cover each other. */
const nameHeight = 14;

/** Draws lines over categories, from 0. */
export function lineChart({ title, xTitle, xLabels, lines }: LineChart): string {
  const top = roundUp(Math.max(...lines.flatMap(({ values }) => values)));
  const xOf = (index: number) =>
    plot.left + ((plot.right - plot.left) * index) / Math.max(xLabels.length - 1, 1);
  const yOf = (value: number) => plot.bottom - ((plot.bottom - plot.top) * value) / top;
  const names = endNames(lines, yOf);
  return svgFile(width, height, [
    label({ x: 16, y: 22, text: title, isBold: true }),
    ...Array.from({ length: gridLines + 1 }, (_, index) => {
      const value = (top * index) / gridLines;
      const y = yOf(value);
      return [
        element("line", { x1: plot.left, x2: plot.right, y1: y, y2: y, stroke: "#d1d5db" }),
        label({ x: plot.left - 8, y: y + 4, text: value.toLocaleString("en"), anchor: "end" }),
      ].join("\n");
    }),
    ...xLabels.map((text, index) =>
      label({ x: xOf(index), y: plot.bottom + 18, text, anchor: "middle" }),
    ),
    label({ x: (plot.left + plot.right) / 2, y: plot.bottom + 42, text: xTitle, anchor: "middle" }),
    ...lines.map(({ subject, values }) =>
      element("polyline", {
        points: values
          .map((value, index) => `${xOf(index).toFixed(1)},${yOf(value).toFixed(1)}`)
          .join(" "),
        fill: "none",
        stroke: colorOf(subject),
        "stroke-width": subject === "tensorgate" ? 3 : 1.5,
      }),
    ),
    ...names.map(({ subject, y }) => label({ x: plot.right + 8, y: y + 4, text: subject })),
  ]);
}

/** Heights of the names of lines: near their ends, and apart from each other. */
function endNames(
  lines: readonly Line[],
  yOf: (value: number) => number,
): readonly { readonly subject: string; readonly y: number }[] {
  let previous = Number.NEGATIVE_INFINITY;
  return lines
    .map(({ subject, values }) => ({ subject, y: yOf(values.at(-1) ?? 0) }))
    .sort((a, b) => a.y - b.y)
    .map(({ subject, y }) => {
      previous = Math.max(y, previous + nameHeight);
      return { subject, y: previous };
    });
}

/** @returns the next number that is 1, 2, 4 or 8 times a power of ten */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 8, 10].map((step) => step * power).find((each) => each >= value) ?? value;
}
