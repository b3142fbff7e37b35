import type { Resize } from "./preprocessing.ts";

interface SizePx {
  readonly heightPx: number;
  readonly widthPx: number;
}

/** Where a picture lies in the pixels that a model takes. */
export interface Placement {
  /** The pixels that the model takes. */
  readonly input: SizePx;
  /** The whole picture, resized. */
  readonly resized: SizePx;
  /** From the upper edge of the input to that of the picture; negative where the picture is cropped. */
  readonly topPx: number;
  /** From the left edge, likewise. */
  readonly leftPx: number;
}

/** Places a picture of `size` in a model's input. The same arithmetic resizes it, and takes boxes back to it. */
export function placementOf(resize: Resize, size: SizePx): Placement {
  switch (resize.kind) {
    case "warp": {
      const input = { heightPx: resize.heightPx, widthPx: resize.widthPx };
      return { input, resized: input, topPx: 0, leftPx: 0 };
    }
    case "shorter-side":
      return cropped(resize, size);
    case "letterbox":
      return letterboxed(resize, size);
    case "fit": {
      const { heightPx, widthPx } = size;
      const { shorterPx, longerPx } = resize;
      const wanted = shorterPx === undefined ? 1 : shorterPx / Math.min(heightPx, widthPx);
      const input = scaled(size, Math.min(wanted, longerPx / Math.max(heightPx, widthPx)));
      return { input, resized: input, topPx: 0, leftPx: 0 };
    }
  }
}

function cropped(
  { px, crop }: Extract<Resize, { kind: "shorter-side" }>,
  { heightPx, widthPx }: SizePx,
): Placement {
  const factor = px / Math.min(heightPx, widthPx);
  // Both truncated, as the graph's casts to int do; a crop larger than the picture takes all of it.
  const resized = {
    heightPx: Math.max(crop.heightPx, Math.trunc(heightPx * factor)),
    widthPx: Math.max(crop.widthPx, Math.trunc(widthPx * factor)),
  };
  return {
    input: crop,
    resized,
    topPx: -Math.trunc((resized.heightPx - crop.heightPx) / 2),
    leftPx: -Math.trunc((resized.widthPx - crop.widthPx) / 2),
  };
}

/** Of an odd number of pixels to pad, one more goes below and to the right, as YOLO's own preprocessing does it. */
function letterboxed(
  { heightPx, widthPx, padding }: Extract<Resize, { kind: "letterbox" }>,
  size: SizePx,
): Placement {
  const resized = scaled(size, Math.min(heightPx / size.heightPx, widthPx / size.widthPx));
  const before = (sides: number) => (padding === "end" ? 0 : Math.floor(sides / 2));
  return {
    input: { heightPx, widthPx },
    resized,
    topPx: before(heightPx - resized.heightPx),
    leftPx: before(widthPx - resized.widthPx),
  };
}

function scaled({ heightPx, widthPx }: SizePx, factor: number): SizePx {
  const side = (px: number) => Math.max(1, Math.round(px * factor));
  return { heightPx: side(heightPx), widthPx: side(widthPx) };
}
