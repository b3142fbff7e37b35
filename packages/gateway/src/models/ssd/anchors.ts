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
