import type { Preprocessing, Resize } from "@tensorgate/core";
import { decodableFormats, type PictureFormat, type PictureSize } from "@tensorgate/imaging";
import type { Family } from "@tensorgate/tf-serving";
import { type PixelInputOptions, type ResizeOptions, resizeDefaults } from "./input-options.ts";
import type { ModelOptions } from "./release-options.ts";

/** How a picture gets into the model. */
export interface PictureInput {
  /** Name of the tensor that takes it. */
  readonly tensor: string;
  /** What is sent as it is, or can be decoded here. */
  readonly formats: ReadonlySet<PictureFormat>;
  /** Absent where the model takes the picture as it is, encoded. */
  readonly preprocessing?: Preprocessing;
  /** How it is resized, wherever that is done; absent where it is not known. */
  readonly resize?: Resize;
  /** What it is brought to at most, wherever that is done; absent where it is not known. */
  readonly size?: PictureSize;
}

/** What TensorFlow's own decoder in a graph reads, whatever is in them. */
const graphFormats: readonly PictureFormat[] = ["jpeg", "png"];

export interface PictureInputOptions {
  /** Name of the tensor. */
  readonly tensor: string;
  readonly family: Family | undefined;
}

/** Resolves how pictures get into a model: as the options say, and else as is usual for its family. */
export function pictureInput(
  { input, variant = "quantized" }: ModelOptions,
  { tensor, family }: PictureInputOptions,
): PictureInput {
  const usual = family?.preprocessing;
  const isPixelVariant = family?.pixelVariants.includes(variant) ?? false;
  if (input?.kind === "pixels" || isPixelVariant) {
    const given = input?.kind === "pixels" ? input : undefined;
    const preprocessing = preprocessingFrom(given, usual);
    const { resize } = preprocessing;
    const formats = decodableFormats;
    return { tensor, formats, preprocessing, resize, size: sizeAfter(resize) };
  }
  const resize = resizeFrom(input ?? {}, resizeOptionsOf(usual?.resize));
  const formats = new Set(input?.formats ?? graphFormats);
  if (!resize) return { tensor, formats };
  const { heightPx, widthPx } = sizeAfter(resize);
  if (!family) return { tensor, formats, resize, size: { heightPx, widthPx } };
  // What a person says of the size is meant for clients, whatever a family's graph resizes before it crops.
  const size = { heightPx: input?.heightPx ?? heightPx, widthPx: input?.widthPx ?? widthPx };
  return { tensor, formats, resize, size };
}

/** Before the middle is cut out, where that is done. */
function sizeAfter(resize: Resize): PictureSize {
  switch (resize.kind) {
    case "warp":
    case "letterbox":
      return { heightPx: resize.heightPx, widthPx: resize.widthPx };
    case "shorter-side":
      return { heightPx: resize.px, widthPx: resize.px };
    case "fit":
      return { heightPx: resize.longerPx, widthPx: resize.longerPx };
  }
}

function preprocessingFrom(
  given: PixelInputOptions | undefined,
  usual: Preprocessing | undefined,
): Preprocessing {
  const layout = given?.layout ?? usual?.layout;
  const dtype = given?.dtype ?? usual?.dtype;
  const none: Resize = { kind: "warp", heightPx: 0, widthPx: 0 };
  return {
    resize: resizeFrom(given ?? {}, resizeOptionsOf(usual?.resize)) ?? none,
    coordinates: given?.coordinates ?? usual?.coordinates ?? "half-pixel",
    channelOrder: given?.channelOrder ?? usual?.channelOrder ?? "rgb",
    mean: given?.mean ?? usual?.mean ?? [0, 0, 0],
    scale: given?.scale ?? usual?.scale ?? 1,
    ...(layout !== undefined && { layout }),
    ...(dtype !== undefined && { dtype }),
  };
}

/** A resize in the words of the configuration. */
function resizeOptionsOf(resize: Resize | undefined): ResizeOptions {
  switch (resize?.kind) {
    case undefined:
      return {};
    case "warp":
      return { resize: "stretch", heightPx: resize.heightPx, widthPx: resize.widthPx };
    case "shorter-side":
      return { resize: "crop", shorterSidePx: resize.px, ...resize.crop };
    case "letterbox": {
      const { kind, ...rest } = resize;
      return { resize: kind, ...rest };
    }
    case "fit": {
      const { shorterPx, longerPx } = resize;
      const shorterSidePx = shorterPx === undefined ? {} : { shorterSidePx: shorterPx };
      return { resize: "fit", longerSidePx: longerPx, ...shorterSidePx };
    }
  }
}

/** @returns undefined where the size of the input is neither given nor usual */
function resizeFrom(given: ResizeOptions, usual: ResizeOptions): Resize | undefined {
  const options = { ...resizeDefaults, ...usual, ...given };
  const { heightPx, widthPx, shorterSidePx, longerSidePx, padValue, padding } = options;
  const kind = resizeKind(given, usual);
  if (kind === "fit") {
    const shorter = shorterSidePx === undefined ? {} : { shorterPx: shorterSidePx };
    return { kind, longerPx: longerSidePx, ...shorter };
  }
  if (heightPx === undefined || widthPx === undefined) return undefined;
  if (kind === "letterbox") return { kind, heightPx, widthPx, padValue, padding };
  if (kind === "crop" && shorterSidePx !== undefined) {
    return { kind: "shorter-side", px: shorterSidePx, crop: { heightPx, widthPx } };
  }
  return { kind: "warp", heightPx, widthPx };
}

/** How pictures are resized; `shorterSidePx` alone says that the middle is cut out. */
export function resizeKind(
  { resize, shorterSidePx }: ResizeOptions,
  usual: ResizeOptions = {},
): NonNullable<ResizeOptions["resize"]> {
  if (resize !== undefined) return resize;
  if (shorterSidePx !== undefined && usual.resize !== "fit") return "crop";
  return usual.resize ?? "stretch";
}
