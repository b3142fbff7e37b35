import type { DType, PixelLayout, PixelType } from "@tensorgate/core";
import type { DetectorInput, DetectorPreset } from "./presets.ts";

/** Pixels that an input takes, by its declaration. */
export interface DeclaredPixels {
  readonly dtype: PixelType;
  readonly layout: PixelLayout;
  readonly channelCount: 1 | 3;
  /** Undefined where it is open. */
  readonly heightPx: number | undefined;
  readonly widthPx: number | undefined;
}

const pixelTypes: readonly PixelType[] = ["FP32", "FP16", "UINT8"];

/** Reads what pixels an input takes; undefined if it does not take one picture of three channels, or of one. */
export function declaredPixels(input: {
  readonly dtype?: DType | undefined;
  readonly shape?: readonly number[] | undefined;
}): DeclaredPixels | undefined {
  const dtype = pixelTypes.find((each) => each === input.dtype);
  const { shape = [] } = input;
  if (!dtype || shape.length < 3 || shape.length > 4) return undefined;
  const side = (extent: number | undefined) =>
    extent === undefined || extent < 1 ? undefined : extent;
  const hasBatch = shape.length === 4;
  const [first, second, third] = hasBatch ? shape.slice(1) : shape;
  for (const channelCount of [3, 1] as const) {
    if (first === channelCount && third !== channelCount) {
      const layout = hasBatch ? "nchw" : "chw";
      return { dtype, layout, channelCount, heightPx: side(second), widthPx: side(third) };
    }
    // Three axes that end in three are seldom a picture: a batch of vectors is declared so too.
    if (hasBatch && third === channelCount && first !== channelCount) {
      return { dtype, layout: "nhwc", channelCount, heightPx: side(first), widthPx: side(second) };
    }
  }
  return undefined;
}

/** Side of the square that is assumed for a detector of any size, in pixels. */
const usualSidePx = 640;

/** How pictures usually become the input of a detector. */
export type DetectorResize = Pick<
  DetectorInput,
  "resize" | "padValue" | "padding" | "shorterSidePx" | "longerSidePx"
> & { readonly heightPx?: number; readonly widthPx?: number };

/**
 * Resolves how pictures become the input of a detector: as is usual for its preset, unless its size is fixed where
 * the preset fits the size to the picture.
 *
 * @param sidePx - of the square that the number of boxes shows, if it does
 */
export function detectorResize(
  { input }: DetectorPreset,
  size: Pick<DeclaredPixels, "heightPx" | "widthPx">,
  sidePx: number = usualSidePx,
): DetectorResize {
  const { resize, padValue, padding, shorterSidePx, longerSidePx } = input;
  const isOpen = size.heightPx === undefined || size.widthPx === undefined;
  if (resize === "fit" && isOpen) {
    return {
      resize,
      ...(shorterSidePx !== undefined && { shorterSidePx }),
      ...(longerSidePx !== undefined && { longerSidePx }),
    };
  }
  const { heightPx = sidePx, widthPx = sidePx } = size;
  if (resize !== "letterbox") return { resize: "stretch", heightPx, widthPx };
  return {
    resize,
    heightPx,
    widthPx,
    ...(padValue !== undefined && { padValue }),
    ...(padding !== undefined && { padding }),
  };
}
