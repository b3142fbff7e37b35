import type { TensorInfo } from "@tensorgate/core";
import type { BackendCapabilities, ModelOptions } from "@tensorgate/gateway";
import {
  type DeclaredPixels,
  type DetectorGuess,
  type DetectorPreset,
  type DetectorPresetName,
  type DetectorResize,
  declaredPixels,
  detectorFormat,
  detectorPresets,
  detectorResize,
  guessDetector,
} from "@tensorgate/tf-serving";

/** A backend as a configuration describes it, with the assumptions that are to be checked. */
export interface DescribedBackend {
  readonly model: ModelOptions;
  /** What a reader of the configuration should check; one sentence each. */
  readonly doubts: readonly string[];
}

/**
 * Describes a backend as a detector, by the names and shapes of its outputs.
 *
 * @param given - the preset that a flag names
 * @returns undefined if its outputs look like no detector, or it takes no picture
 */
export function describedDetector(
  findings: BackendCapabilities,
  given?: DetectorPresetName,
): DescribedBackend | undefined {
  const { model: name, input: tensor, signature } = findings;
  const [info] = signature?.inputs.values() ?? [];
  const declared = info && declaredPixels(info);
  const pixels = declared?.channelCount === 3 ? declared : undefined;
  if (!pixels && info && info.dtype !== "BYTES") return undefined;
  const guess = guessOf(findings, pixels, given);
  const preset = guess && detectorPresets.get(guess.preset);
  if (!preset || tensor === undefined) return undefined;
  const {
    options,
    doubts,
    detector = guess.detector,
  } = pixels && info?.dtype !== "BYTES"
    ? pixelInput(tensor, pixels, { preset, guess })
    : encodedInput(tensor, { preset, guess });
  const { labels, classCount } = guess;
  return {
    model: {
      name,
      input: options,
      detector,
      ...(classCount !== undefined && { classCount }),
      ...(labels && { labels }),
    },
    doubts: [
      ...(given ? [] : [`the outputs look like those of ${preset.title}, preset ${preset.name}`]),
      ...guess.doubts,
      ...doubts,
    ],
  };
}

function guessOf(
  { signature, outputs }: BackendCapabilities,
  pixels: DeclaredPixels | undefined,
  given: DetectorPresetName | undefined,
): DetectorGuess | undefined {
  const { heightPx, widthPx } = pixels ?? {};
  const isFixed = heightPx !== undefined && widthPx !== undefined;
  const declared: Iterable<readonly [string, TensorInfo]> = signature?.outputs ?? outputs;
  const guess = guessDetector({
    inputSize: isFixed ? { heightPx, widthPx } : undefined,
    outputs: [...declared].map(([name, { dtype, shape }]) => ({
      name,
      dtype,
      // What the test picture gave is known in full.
      shape: outputs.get(name)?.shape ?? shape,
      seen: outputs.get(name),
    })),
  });
  if (given === undefined || guess?.preset === given) return guess;
  return { preset: given, detector: { preset: given }, doubts: [] };
}

interface Recognized {
  readonly preset: DetectorPreset;
  readonly guess: DetectorGuess;
}

interface DescribedInput {
  readonly options: NonNullable<ModelOptions["input"]>;
  readonly doubts: readonly string[];
  /** Where the input changes how boxes are read. */
  readonly detector?: DetectorGuess["detector"];
}

/** Everything that is assumed is written down, so that a person can change it. */
function pixelInput(
  tensor: string,
  pixels: DeclaredPixels,
  { preset, guess }: Recognized,
): DescribedInput {
  const { dtype, layout } = pixels;
  const resize = detectorResize(preset, pixels, guess.sidePx);
  const { mean, scale, channelOrder } = preset.input;
  const isRaw = dtype === "UINT8";
  return {
    options: {
      tensor,
      kind: "pixels",
      ...resize,
      ...(layout !== "nhwc" && { layout }),
      ...(dtype !== "FP32" && { dtype }),
      ...(channelOrder && { channelOrder }),
      ...(mean && !isRaw && { mean }),
      ...(scale !== undefined && !isRaw && { scale }),
    },
    doubts: [
      `pictures are assumed to be ${resizeText(resize)}${isRaw ? "" : `, and pixels to be ${normalizationText(preset)}`}; set what the model was trained with`,
    ],
  };
}

/** A model that decodes pictures does not show how it resizes them. */
function encodedInput(tensor: string, { preset, guess }: Recognized): DescribedInput {
  const base = { tensor, kind: "encoded-image" as const };
  const { boxUnits } = detectorFormat(guess.detector);
  if (boxUnits !== "input-pixels") return { options: base, doubts: [] };
  if (preset.input.resize === "fit") {
    return {
      options: base,
      detector: { ...guess.detector, boxUnits: "source-pixels" },
      doubts: [
        "the model decodes pictures itself; boxes are assumed to be in pixels of the picture",
      ],
    };
  }
  const resize = detectorResize(preset, { heightPx: undefined, widthPx: undefined }, guess.sidePx);
  return {
    options: { ...base, ...resize },
    doubts: [
      `the model decodes pictures itself; they are assumed to be ${resizeText(resize)} there, which boxes depend on`,
    ],
  };
}

function resizeText(resize: DetectorResize): string {
  const { heightPx, widthPx, shorterSidePx, longerSidePx, padValue } = resize;
  switch (resize.resize) {
    case "letterbox":
      return `letterboxed to ${widthPx} × ${heightPx} with ${padValue}`;
    case "stretch":
      return `stretched to ${widthPx} × ${heightPx}`;
    case "fit": {
      const shorter =
        shorterSidePx === undefined
          ? ""
          : `the shorter side resized to ${shorterSidePx} pixels and `;
      return `sent in their own proportions, ${shorter}the longer side at most ${longerSidePx} pixels`;
    }
  }
}

function normalizationText({ input }: DetectorPreset): string {
  const { mean, scale } = input;
  const order = input.channelOrder === "bgr" ? "blue, green, red" : "red, green, blue";
  const scaled = scale === undefined ? "unscaled, 0 to 255" : "scaled to 0 to 1";
  return `${mean ? `normalized by the mean ${mean.join(", ")}` : scaled}, in the order ${order}`;
}
