import { createSvg } from "../elements.ts";

const width = 56;
const height = 24;

/** Maximum number of values in a sparkline. */
export const sparklineLength = 60;

/** Creates a line of the latest values, the newest on the right. @param name - for screen readers */
export function sparkline(values: readonly number[], name: string): SVGSVGElement {
  const shown = values.slice(-sparklineLength);
  const max = Math.max(1, ...shown);
  const points = shown.map((value, index) => {
    const x = width - (shown.length - 1 - index) * (width / (sparklineLength - 1));
    return `${x.toFixed(1)},${(height - 2 - (value / max) * (height - 4)).toFixed(1)}`;
  });
  const newest = shown.at(-1);
  return createSvg(
    "svg",
    {
      class: "sparkline",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "img",
      "aria-label": newest === undefined ? `${name}: none yet` : `${name}: ${newest.toFixed(0)} ms`,
    },
    createSvg("polyline", { points: points.join(" ") }),
  );
}
