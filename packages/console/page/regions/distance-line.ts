import type { RegionStatus } from "@tensorgate/proto/tensorgate/v1/status";
import { createSvg, drawingWidth } from "../elements.ts";
import { regionColour } from "./region-colour.ts";

const margin = 60;

/** Draws a line with the regions at their round trips from the gateway, in milliseconds, into a container. */
export function drawDistanceLine(
  container: Element,
  regions: readonly RegionStatus[],
  own: string,
): void {
  const width = drawingWidth(container);
  const known = regions.flatMap(({ name, roundTripMs = name === own ? 0 : undefined, ...rest }) =>
    roundTripMs === undefined ? [] : [{ name, roundTripMs, isOut: rest.hasOutage === true }],
  );
  const farMs = Math.max(1, ...known.map(({ roundTripMs }) => roundTripMs));
  const points = known.map(({ name, roundTripMs, isOut }) => {
    const x = margin + (roundTripMs / farMs) * (width - 2 * margin);
    const words = `${roundTripMs.toFixed(0)} ms${isOut ? ", out" : ""}`;
    return createSvg(
      "g",
      { class: `${regionColour(name)}${isOut ? " out" : ""}` },
      createSvg("circle", { cx: x, cy: 26, r: 7 }),
      createSvg("text", { x, y: 12, "text-anchor": "middle" }, name),
      createSvg("text", { x, y: 48, "text-anchor": "middle", class: "quiet" }, words),
    );
  });
  const text = known.map(({ name, roundTripMs }) => `${name} ${roundTripMs.toFixed(0)} ms`);
  const line = createSvg(
    "svg",
    {
      class: "distances",
      viewBox: `0 0 ${width} 52`,
      role: "img",
      "aria-label": `Round trips from ${own}: ${text.join(", ")}`,
    },
    createSvg("line", { x1: margin, x2: width - margin, y1: 26, y2: 26 }),
    ...points,
  );
  container.replaceChildren(line);
}
