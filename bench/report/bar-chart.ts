import type { Summary } from "../statistics.ts";
import { colorOf, element, label, svgFile } from "./svg.ts";

export interface BarChart {
  readonly title: string;
  /** Panels below each other, each with its scale, which begins at 0. */
  readonly panels: readonly Panel[];
}

export interface Panel {
  readonly heading: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly label: string;
  /** Gives the color. */
  readonly subject: string;
  readonly value: Summary;
}

const width = 720;
const margin = 16;
const labelWidth = 190;
const valueWidth = 60;
const barHeight = 16;
const rowHeight = 24;
const headingHeight = 30;
const titleHeight = 34;

/** Draws medians as bars, with the range over the rounds as a line. */
export function barChart({ title, panels }: BarChart): string {
  const parts = [label({ x: margin, y: 22, text: title, isBold: true })];
  let y = titleHeight;
  for (const panel of panels) {
    parts.push(...panelParts(panel, y));
    y += headingHeight + panel.bars.length * rowHeight;
  }
  return svgFile(width, y + margin, parts);
}

function panelParts({ heading, bars }: Panel, top: number): readonly string[] {
  const longest = Math.max(...bars.map(({ value }) => value.max));
  const left = margin + labelWidth;
  const scale = (width - left - valueWidth - margin) / longest;
  return [
    label({ x: margin, y: top + 20, text: heading }),
    ...bars.flatMap(({ label: text, subject, value }, index) => {
      const y = top + headingHeight + index * rowHeight;
      const middle = y + barHeight / 2;
      const end = left + value.max * scale;
      return [
        label({ x: left - 8, y: middle + 4, text, anchor: "end" }),
        element("rect", {
          x: left,
          y,
          width: value.median * scale,
          height: barHeight,
          fill: colorOf(subject),
        }),
        element("path", {
          d: whisker(left + value.min * scale, end, middle),
          stroke: "#111827",
          fill: "none",
        }),
        label({ x: end + 6, y: middle + 4, text: formatted(value.median) }),
      ];
    }),
  ];
}

function whisker(from: number, to: number, y: number): string {
  const at = (x: number) => x.toFixed(1);
  return `M${at(from)} ${y - 4}v8M${at(from)} ${y}H${at(to)}M${at(to)} ${y - 4}v8`;
}

function formatted(value: number): string {
  return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}
