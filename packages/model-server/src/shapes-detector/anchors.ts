import type { Box } from "./scene.ts";

/** A layer of the head that looks for objects. The finest and the coarsest of SSD's six see none here. */
export interface DetectingLayer {
  /** Which of SSD's six. */
  readonly index: number;
  readonly cells: number;
  readonly stepPx: number;
  /** Sides of the square anchors, and of the next layer's, in pixels of 300. */
  readonly sidePx: number;
  readonly nextSidePx: number;
  readonly ratios: readonly number[];
}

const four = [2, 1 / 2, 3, 1 / 3] as const;

/** @see specifications of SSD-300 for Pascal VOC: Liu et al. 2016 */
export const detectingLayers: readonly DetectingLayer[] = [
  { index: 1, cells: 19, stepPx: 16, sidePx: 45, nextSidePx: 99, ratios: four },
  { index: 2, cells: 10, stepPx: 32, sidePx: 99, nextSidePx: 153, ratios: four },
  { index: 3, cells: 5, stepPx: 64, sidePx: 153, nextSidePx: 207, ratios: four },
  { index: 4, cells: 3, stepPx: 100, sidePx: 207, nextSidePx: 261, ratios: [2, 1 / 2] },
];

export const anchorsPerCell = ({ ratios }: DetectingLayer): number => ratios.length + 2;

export const placesOf = (layer: DetectingLayer): number => layer.cells ** 2 * anchorsPerCell(layer);

/** Middle and sides, in fractions of the picture. */
export interface Anchor {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Every anchor of every detecting layer: layer by layer, row-major. */
export const allAnchors: readonly Anchor[] = detectingLayers.flatMap(layerAnchors);

function layerAnchors(layer: DetectingLayer): readonly Anchor[] {
  const { cells, stepPx, sidePx, nextSidePx, ratios } = layer;
  const side = sidePx / 300;
  const between = Math.sqrt(sidePx * nextSidePx) / 300;
  const sizes = [
    { width: side, height: side },
    { width: between, height: between },
    ...ratios.map((ratio) => ({ width: side * Math.sqrt(ratio), height: side / Math.sqrt(ratio) })),
  ];
  const centre = (cell: number) => ((cell + 0.5) * stepPx) / 300;
  const axis = Array.from({ length: cells }, (_, cell) => centre(cell));
  return axis.flatMap((y) => axis.flatMap((x) => sizes.map((size) => ({ x, y, ...size }))));
}

export function anchorBox({ x, y, width, height }: Anchor): Box {
  return {
    top: y - height / 2,
    left: x - width / 2,
    bottom: y + height / 2,
    right: x + width / 2,
  };
}

const variance = { centre: 0.1, side: 0.2 } as const;

/** What the head should say for an anchor to become `box`. */
export function offsetsOf(anchor: Anchor, box: Box): readonly [number, number, number, number] {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  return [
    ((box.left + box.right) / 2 - anchor.x) / (anchor.width * variance.centre),
    ((box.top + box.bottom) / 2 - anchor.y) / (anchor.height * variance.centre),
    Math.log(width / anchor.width) / variance.side,
    Math.log(height / anchor.height) / variance.side,
  ];
}

/** The box that offsets make of an anchor. */
export function boxFrom(anchor: Anchor, offsets: ArrayLike<number>): Box {
  const x = (offsets[0] ?? 0) * anchor.width * variance.centre + anchor.x;
  const y = (offsets[1] ?? 0) * anchor.height * variance.centre + anchor.y;
  const width = anchor.width * Math.exp((offsets[2] ?? 0) * variance.side);
  const height = anchor.height * Math.exp((offsets[3] ?? 0) * variance.side);
  return anchorBox({ x, y, width, height });
}

/** Intersection over union. */
export function overlap(a: Box, b: Box): number {
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  if (height <= 0 || width <= 0) return 0;
  const area = (box: Box) => (box.bottom - box.top) * (box.right - box.left);
  return (height * width) / (area(a) + area(b) - height * width);
}
