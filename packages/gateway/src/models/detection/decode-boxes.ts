import { type Placement, placementOf, type Resize } from "@tensorgate/core";
import type { PictureSize } from "@tensorgate/imaging";
import type { DetectorFormat } from "@tensorgate/tf-serving";
import { type BoxColumn, type BoxTable, columnValue } from "./box-table.ts";
import {
  clippedBox,
  type Edges,
  type ScoredBox,
  type SelectOptions,
  withoutOverlaps,
} from "./edges.ts";
import { bestCandidates } from "./score-boxes.ts";

export interface DecodeOptions extends SelectOptions {
  readonly format: DetectorFormat;
  /** How the picture became the model's input; undefined where the model takes it as it is. */
  readonly resize: Resize | undefined;
  /** Of the picture as it is seen. */
  readonly size: PictureSize;
}

/**
 * Decodes the boxes of one picture, best first: scores above `minScore`, the best candidates of those, overlaps
 * suppressed where the model has not done it, taken back to the picture, and clipped. What lies outside is left out.
 */
export function decodedBoxes(table: BoxTable, options: DecodeOptions): readonly ScoredBox[] {
  const { format, resize, size, iouThreshold, maxDetections } = options;
  const toPicture = unitsOf(format, { resize, size });
  const candidates = bestCandidates(table, format, options).map(({ row, classIndex, score }) => ({
    classIndex,
    score,
    edges: toPicture(edgesOf(table.boxes, row, format)),
  }));
  const { nms } = format;
  const kept = nms === "none" ? candidates : withoutOverlaps(candidates, iouThreshold, nms);
  const boxes: ScoredBox[] = [];
  for (const { edges, ...box } of kept) {
    const clipped = clippedBox(edges);
    if (clipped.bottom <= clipped.top || clipped.right <= clipped.left) continue;
    boxes.push({ ...box, edges: clipped });
    if (boxes.length === maxDetections) break;
  }
  return boxes;
}

/** In the units of the model. */
function edgesOf(column: BoxColumn, row: number, { boxFormat }: DetectorFormat): Edges {
  const a = columnValue(column, row, 0);
  const b = columnValue(column, row, 1);
  const c = columnValue(column, row, 2);
  const d = columnValue(column, row, 3);
  switch (boxFormat) {
    case "xyxy":
      return { left: a, top: b, right: c, bottom: d };
    case "yxyx":
      return { top: a, left: b, bottom: c, right: d };
    case "xywh":
      return { left: a, top: b, right: a + c, bottom: b + d };
    case "cxcywh":
      return { left: a - c / 2, top: b - d / 2, right: a + c / 2, bottom: b + d / 2 };
  }
}

/** @returns what makes edges in the units of the model fractions of the picture: letterbox, crop or stretch undone */
function unitsOf(
  { boxUnits }: DetectorFormat,
  { resize, size }: Pick<DecodeOptions, "resize" | "size">,
): (edges: Edges) => Edges {
  const placed: Placement = resize
    ? placementOf(resize, size)
    : { input: size, resized: size, topPx: 0, leftPx: 0 };
  const { input, resized, topPx, leftPx } = placed;
  switch (boxUnits) {
    case "source-pixels":
      return scaledBy({ x: 1 / size.widthPx, y: 1 / size.heightPx, left: 0, top: 0 });
    case "input-pixels":
      return scaledBy({
        x: 1 / resized.widthPx,
        y: 1 / resized.heightPx,
        left: leftPx,
        top: topPx,
      });
    case "fractions":
      return scaledBy({
        x: input.widthPx / resized.widthPx,
        y: input.heightPx / resized.heightPx,
        left: leftPx / input.widthPx,
        top: topPx / input.heightPx,
      });
  }
}

interface Scale {
  readonly x: number;
  readonly y: number;
  /** Of the picture in what the model takes, in the model's units. */
  readonly left: number;
  readonly top: number;
}

function scaledBy({ x, y, left, top }: Scale): (edges: Edges) => Edges {
  return (edges) => ({
    left: (edges.left - left) * x,
    top: (edges.top - top) * y,
    right: (edges.right - left) * x,
    bottom: (edges.bottom - top) * y,
  });
}
