import { createSvg } from "../elements.ts";

const width = 96;
const height = 24;

/** Values that a sparkline shows at most. */
export const sparklineLength = 60;

/** The last values of something as a line, the newest on the right. @param name - read out with the newest value */
export function sparkline(values: readonly number[], name: string): SVGSVGElement {
  const shown = values.slice(-sparklineLength);
  const most = Math.max(1, ...shown);
  const points = shown.map((value, index) => {
    const x = width - (shown.length - 1 - index) * (width / (sparklineLength - 1));
    return `${x.toFixed(1)},${(height - 2 - (value / most) * (height - 4)).toFixed(1)}`;
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
