import type { Preprocessing, Resize, Tensor } from "@tensorgate/core";
import {
  cocoLabels,
  cocoLabelsByNumber,
  type DeclaredPixels,
  type DetectorGuess,
  type DetectorPreset,
  type DetectorPresetName,
  declaredPixels,
  detectorFormat,
  detectorOutputs,
  detectorPresets,
  detectorResize,
  guessDetector,
} from "@tensorgate/tf-serving";
import type { ManifestOutput } from "../manifest.ts";
import type { ServedOutputs } from "./class-outputs.ts";
import type { OnnxModelInfo, OnnxValue } from "./inspect-onnx.ts";
import {
  normalisation,
  type PictureImportOptions,
  type PictureInputInfo,
} from "./picture-input.ts";

/** A detector, and how pictures get into it. */
export interface DetectorInfo {
  readonly guess: DetectorGuess;
  readonly input: PictureInputInfo;
  /** By the names they are served under. */
  readonly outputs: ServedOutputs;
  readonly labels: readonly string[];
}

/**
 * Recognizes a detector by the names and shapes of its outputs; undefined if they look like none.
 *
 * @param given - the preset that a flag names
 * @param tried - outputs of a picture, which show extents that the file leaves open, and the units of boxes
 */
export function detectorInfo(
  { inputs, outputs }: OnnxModelInfo,
  given: PictureImportOptions & { readonly detector?: DetectorPresetName },
  tried: ReadonlyMap<string, Tensor> = new Map(),
): DetectorInfo | undefined {
  const [only, ...others] = inputs;
  const pixels = only && declaredPixels(only);
  if (!only || pixels?.channelCount !== 3 || others.length > 0) return undefined;
  const [heightPx = pixels.heightPx, widthPx = pixels.widthPx] = given.sizePx ?? [];
  const size = { heightPx, widthPx };
  const inputSize =
    heightPx !== undefined && widthPx !== undefined ? { heightPx, widthPx } : undefined;
  const seen = outputs.map(({ name, dtype, shape }) => ({
    name,
    dtype,
    shape: tried.get(name)?.shape ?? shape,
    seen: tried.get(name),
  }));
  const guess = guessOf(guessDetector({ inputSize, outputs: seen }), given.detector);
  const preset = guess && detectorPresets.get(guess.preset);
  if (!preset) return undefined;
  const usual = resizeFrom(detectorResize(preset, size, guess.sidePx));
  const resize = givenResize(given, usual);
  const { dtype, layout } = pixels;
  const { channelOrder = "rgb" } = preset.input;
  const { mean, scale, assumptions } = normalizationOf(given, preset, pixels);
  const preprocessing: Preprocessing = {
    resize,
    coordinates: "half-pixel",
    channelOrder: given.channelOrder ?? channelOrder,
    mean,
    scale,
    ...(layout !== "nhwc" && { layout }),
    ...(dtype !== "FP32" && { dtype }),
  };
  return {
    guess,
    input: {
      tensor: only.name,
      preprocessing,
      assumptions: [
        ...(given.detector ? [] : [`the outputs are those of ${preset.title} (--detector)`]),
        ...guess.doubts,
        ...(given.resize === undefined ? [`${resizeText(resize)} (--resize)`] : []),
        ...assumptions,
      ],
    },
    outputs: servedOutputs(outputs, guess),
    labels: guess.labels ? labelLists[guess.labels] : [],
  };
}

const labelLists = { coco: cocoLabels, "coco-by-number": cocoLabelsByNumber } as const;

function guessOf(
  guess: DetectorGuess | undefined,
  given: DetectorPresetName | undefined,
): DetectorGuess | undefined {
  if (given === undefined || guess?.preset === given) return guess;
  return { preset: given, detector: { preset: given }, doubts: [] };
}

/** Outputs that the detector reads hold boxes; others are served as they are. */
function servedOutputs(outputs: readonly OnnxValue[], { detector }: DetectorGuess): ServedOutputs {
  const read = detectorOutputs(detectorFormat(detector));
  const served = outputs.flatMap(({ name, dtype, shape }): [string, ManifestOutput][] => {
    // The only output is read whatever its name.
    const isRead = read.includes(name) || outputs.length === 1;
    return dtype ? [[name, { dtype, shape, holds: isRead ? "boxes" : "tensor" }]] : [];
  });
  return Object.fromEntries(served);
}

function resizeFrom(usual: ReturnType<typeof detectorResize>): Resize {
  const { heightPx = 0, widthPx = 0, padValue = 0, padding = "both-sides" } = usual;
  const { shorterSidePx, longerSidePx = 0 } = usual;
  switch (usual.resize) {
    case "stretch":
      return { kind: "warp", heightPx, widthPx };
    case "letterbox":
      return { kind: "letterbox", heightPx, widthPx, padValue, padding };
    case "fit": {
      const shorter = shorterSidePx === undefined ? {} : { shorterPx: shorterSidePx };
      return { kind: "fit", longerPx: longerSidePx, ...shorter };
    }
  }
}

function givenResize({ resize }: PictureImportOptions, usual: Resize): Resize {
  if (resize === undefined || usual.kind === "fit" || usual.kind === "shorter-side") return usual;
  const { heightPx, widthPx } = usual;
  if (resize === "warp") return { kind: "warp", heightPx, widthPx };
  if (resize === "letterbox") {
    return { kind: "letterbox", heightPx, widthPx, padValue: 114, padding: "both-sides" };
  }
  return { kind: "shorter-side", px: resize, crop: { heightPx, widthPx } };
}

function resizeText(resize: Resize): string {
  switch (resize.kind) {
    case "letterbox":
      return `pictures are letterboxed to ${resize.widthPx} × ${resize.heightPx} with ${resize.padValue}`;
    case "warp":
      return `pictures are stretched to ${resize.widthPx} × ${resize.heightPx}`;
    case "shorter-side":
      return `pictures are cropped to ${resize.crop.widthPx} × ${resize.crop.heightPx}`;
    case "fit":
      return `pictures keep their proportions, the longer side at most ${resize.longerPx} pixels`;
  }
}

/** Bytes are what pictures are made of: a model that takes them does the rest itself. */
function normalizationOf(
  given: PictureImportOptions,
  { input }: DetectorPreset,
  { dtype, layout }: DeclaredPixels,
) {
  if (given.mean || given.std) return normalisation(given, { dtype, layout, channelOrder: "rgb" });
  const isBytes = dtype === "UINT8";
  const { mean = [0, 0, 0], scale = 1 } = isBytes ? {} : input;
  const text =
    input.mean === undefined
      ? "pixels are scaled to 0 to 1"
      : `pixels are normalized by the mean ${mean.join(", ")}`;
  const isScaled = !isBytes && (input.mean !== undefined || input.scale !== undefined);
  return { mean, scale, assumptions: isScaled ? [`${text} (--mean, --std)`] : [] };
}
