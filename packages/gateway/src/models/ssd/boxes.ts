import type { AnchorSize } from "./anchors.ts";

/** A box by its edges, in fractions of the picture. */
export interface Edges {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

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

/** What of a box lies within the picture. */
export function clippedBox({ top, left, bottom, right }: Edges): Edges {
  return { top: within(top), left: within(left), bottom: within(bottom), right: within(right) };
}

function within(position: number): number {
  return Math.min(1, Math.max(0, position));
}

/** Share of what two boxes cover that both cover; 0 for boxes without any extent. */
export function intersectionOverUnion(a: Edges, b: Edges): number {
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  if (height <= 0 || width <= 0) return 0;
  const both = height * width;
  const either = area(a) + area(b) - both;
  return either > 0 ? both / either : 0;
}

function area({ top, left, bottom, right }: Edges): number {
  return (bottom - top) * (right - left);
}
