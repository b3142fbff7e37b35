import type { Preprocessing, Resize } from "@tensorgate/core";
import { decodableFormats, type PictureFormat, type PictureSize } from "@tensorgate/imaging";
import { detectorPresets, type Family } from "@tensorgate/tf-serving";
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
  /** Whether the model takes an encoded picture as a scalar string; absent where it takes a batch. */
  readonly isScalar?: boolean;
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

/** Resolves how pictures get into a model: as the options say, and else as is usual for its family or detector. */
export function pictureInput(
  { input, variant = "quantized", detector }: ModelOptions,
  { tensor, family }: PictureInputOptions,
): PictureInput {
  const usual = family && pixelOptionsOf(family.preprocessing);
  const isPixelVariant = family?.pixelVariants.includes(variant) ?? false;
  if (input?.kind === "pixels" || isPixelVariant) {
    const given = input?.kind === "pixels" ? input : {};
    const ofDetector = detector?.preset && detectorPresets.get(detector.preset)?.input;
    const preprocessing = preprocessingFrom(given, usual ?? ofDetector ?? {});
    const { resize } = preprocessing;
    const formats = decodableFormats;
    return { tensor, formats, preprocessing, resize, size: sizeAfter(resize) };
  }
  const resize = resizeFrom(input ?? {}, usual ?? {});
  const formats = new Set(input?.formats ?? graphFormats);
  const encoded = { tensor, formats, ...(input?.scalar && { isScalar: true }) };
  if (!resize) return encoded;
  const { heightPx, widthPx } = sizeAfter(resize);
  if (!family) return { ...encoded, resize, size: { heightPx, widthPx } };
  // What a person says of the size is meant for clients, whatever a family's graph resizes before it crops.
  const size = { heightPx: input?.heightPx ?? heightPx, widthPx: input?.widthPx ?? widthPx };
  return { ...encoded, resize, size };
}

/** Whether pictures of any size make tensors that can be stacked to a batch. */
export function isStackable({ preprocessing, isScalar = false }: PictureInput): boolean {
  if (!preprocessing) return !isScalar;
  const { resize, layout = "nhwc" } = preprocessing;
  return resize.kind !== "fit" && layout.startsWith("n");
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

/** What is sent to a model that takes pixels, in the words of the configuration. */
type PixelOptions = Omit<PixelInputOptions, "kind" | "tensor">;

function preprocessingFrom(given: PixelOptions, usual: PixelOptions): Preprocessing {
  const none: Resize = { kind: "warp", heightPx: 0, widthPx: 0 };
  const { coordinates, channelOrder, mean, scale, layout, dtype } = { ...usual, ...given };
  return {
    resize: resizeFrom(given, usual) ?? none,
    coordinates: coordinates ?? "half-pixel",
    channelOrder: channelOrder ?? "rgb",
    mean: mean ?? [0, 0, 0],
    scale: scale ?? 1,
    ...(layout !== undefined && { layout }),
    ...(dtype !== undefined && { dtype }),
  };
}

/** The preprocessing of a family in the words of the configuration. */
function pixelOptionsOf({ resize, ...rest }: Preprocessing): PixelOptions {
  switch (resize.kind) {
    case "warp":
      return { ...rest, resize: "stretch", heightPx: resize.heightPx, widthPx: resize.widthPx };
    case "shorter-side":
      return { ...rest, resize: "crop", shorterSidePx: resize.px, ...resize.crop };
    case "letterbox":
    case "fit":
      throw new RangeError(`no family resizes by ${resize.kind}`);
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

/**
 * How pictures are resized. `shorterSidePx` alone says that the middle is cut out, and an input of a given size is not
 * fitted to the picture.
 */
export function resizeKind(
  { resize, shorterSidePx, heightPx }: ResizeOptions,
  usual: ResizeOptions = {},
): NonNullable<ResizeOptions["resize"]> {
  if (resize !== undefined) return resize;
  const usualKind = usual.resize === "fit" && heightPx !== undefined ? "stretch" : usual.resize;
  if (shorterSidePx !== undefined && usualKind !== "fit") return "crop";
  return usualKind ?? "stretch";
}
