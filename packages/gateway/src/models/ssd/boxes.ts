import type { Edges } from "../detection/edges.ts";
import type { AnchorSize } from "./anchors.ts";

export interface Anchor extends AnchorSize {
  readonly centreX: number;
  readonly centreY: number;
}

/** How far the network's offsets reach: for centres and for sides. */
const variance = { centre: 0.1, side: 0.2 } as const;

/** The box that offsets `[x, y, width, height]`, found at `at` in `values`, make of an anchor. It may leave the picture. */
export function decodedBox(anchor: Anchor, values: Float32Array, at: number): Edges {
  const offset = (which: number) => values[at + which] as number;
  const centreX = offset(0) * anchor.width * variance.centre + anchor.centreX;
  const centreY = offset(1) * anchor.height * variance.centre + anchor.centreY;
  const width = anchor.width * Math.exp(variance.side * offset(2));
  const height = anchor.height * Math.exp(variance.side * offset(3));
  return {
    top: centreY - height / 2,
    left: centreX - width / 2,
    bottom: centreY + height / 2,
    right: centreX + width / 2,
  };
}
