import type { Edges } from "../detection/edges.ts";

/** A layer of an SSD-300 head, as it was trained: sides in pixels of the 300 × 300 that the network sees. */
export interface AnchorLayer {
  /** Distance between neighbouring cells. */
  readonly stepPx: number;
  /** Side of the first anchor; the second one's is the geometric mean of this and `nextSidePx`. */
  readonly sidePx: number;
  readonly nextSidePx: number;
  /** Width to height of the anchors after the first two. */
  readonly ratios: readonly number[];
}

/** The six layers, finest first. @see Liu et al. 2016, section 2.2; the sizes are those of SSD-300 for Pascal VOC */
export const anchorLayers: readonly AnchorLayer[] = [
  { stepPx: 8, sidePx: 21, nextSidePx: 45, ratios: [2, 1 / 2] },
  { stepPx: 16, sidePx: 45, nextSidePx: 99, ratios: [2, 1 / 2, 3, 1 / 3] },
  { stepPx: 32, sidePx: 99, nextSidePx: 153, ratios: [2, 1 / 2, 3, 1 / 3] },
  { stepPx: 64, sidePx: 153, nextSidePx: 207, ratios: [2, 1 / 2, 3, 1 / 3] },
  { stepPx: 100, sidePx: 207, nextSidePx: 261, ratios: [2, 1 / 2] },
  { stepPx: 300, sidePx: 261, nextSidePx: 315, ratios: [2, 1 / 2] },
];

/** Side of the picture that the network sees, in pixels. */
const inputSidePx = 300;

/** Height and width of an anchor, in fractions of the picture. */
export interface AnchorSize {
  readonly height: number;
  readonly width: number;
}

/** The anchors that every cell of a layer has, in the order of the tensor's axis. */
export function anchorSizes({ sidePx, nextSidePx, ratios }: AnchorLayer): readonly AnchorSize[] {
  const side = sidePx / inputSidePx;
  const between = Math.sqrt(sidePx * nextSidePx) / inputSidePx;
  return [
    { height: side, width: side },
    { height: between, width: between },
    ...ratios.map((ratio) => ({ height: side / Math.sqrt(ratio), width: side * Math.sqrt(ratio) })),
  ];
}

/** Where the middle of a cell is along one axis, in fractions of the picture: by the step, not by the grid's extent. */
export function cellCentre(cell: number, { stepPx }: AnchorLayer): number {
  return ((cell + 0.5) * stepPx) / inputSidePx;
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
