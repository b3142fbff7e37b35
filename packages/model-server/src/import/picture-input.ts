import type {
  ChannelOrder,
  DType,
  PerChannel,
  PixelLayout,
  PixelType,
  Preprocessing,
  Resize,
} from "@tensorgate/core";
import type { Family } from "@tensorgate/tf-serving";
import { ModelFolderError } from "../manifest.ts";
import type { OnnxModelInfo, OnnxValue } from "./inspect-onnx.ts";

export type Layout = "nhwc" | "nchw";

/** What the user says of the pictures that a model takes. */
export interface PictureImportOptions {
  readonly layout?: Layout;
  /** Height and width, where the model leaves them open. */
  readonly sizePx?: readonly [height: number, width: number];
  /** Side that the shorter one is brought to before the middle is cut out, or what else is done. */
  readonly resize?: number | "warp" | "letterbox";
  /** In units of 0..255, or of 0..1 where every number is at most 1. */
  readonly mean?: PerChannel;
  readonly std?: PerChannel;
  readonly channelOrder?: ChannelOrder;
}

export interface PictureInputInfo {
  /** In the ONNX model. */
  readonly tensor: string;
  readonly preprocessing: Preprocessing;
  /** What was assumed; one sentence each. */
  readonly assumptions: readonly string[];
}

/** An option that is required, because the model does not determine it. */
export class MissingOptionError extends ModelFolderError {
  readonly option: "layout" | "size" | "mean";

  constructor(option: MissingOptionError["option"], message: string) {
    super(message);
    this.option = option;
  }
}

/** Of ImageNet, in units of 0..1, as torchvision's models have it. */
const torchvision = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

/**
 * Determines how a picture is preprocessed for an ONNX model, from its input and the options.
 *
 * @throws MissingOptionError for an option that can be neither inferred nor assumed
 * @throws ModelFolderError if it does not take one picture, or not in an element type that pixels are sent in
 */
export function pictureInput(
  { inputs }: OnnxModelInfo,
  options: PictureImportOptions,
  family: Family | undefined,
): PictureInputInfo {
  const [only, ...others] = inputs;
  const dtype = only && pixelType(only.dtype);
  if (!only || others.length > 0 || !dtype || only.shape?.length !== 4) {
    throw new ModelFolderError(
      `the model takes ${inputs.map(valueText).join(", ") || "nothing"}; expected one tensor of FP32, FP16 or UINT8 with four axes`,
    );
  }
  const layout = options.layout ?? layoutOf(only);
  const [heightPx, widthPx] =
    sizeOf(only, layout, options) ?? familySize(family) ?? missingSize(only);
  const form = {
    ...(layout === "nchw" && { layout }),
    ...(dtype !== "FP32" && { dtype }),
  };
  if (family && !options.mean && !options.std) {
    const preprocessing = { ...family.preprocessing, ...form };
    return { tensor: only.name, preprocessing, assumptions: [] };
  }
  const channelOrder = options.channelOrder ?? (isGrayscale(only, layout) ? "grayscale" : "rgb");
  const { mean, scale, assumptions } = normalisation(options, { layout, dtype, channelOrder });
  const shorterSide = options.resize ?? Math.round((Math.min(heightPx, widthPx) * 256) / 224);
  const crop = { heightPx, widthPx };
  return {
    tensor: only.name,
    preprocessing: {
      resize: resizeFrom(shorterSide, crop),
      coordinates: "half-pixel",
      channelOrder,
      mean,
      scale,
      ...form,
    },
    assumptions: [
      ...assumptions,
      ...(options.resize === undefined
        ? [`the shorter side becomes ${shorterSide} pixels, then the middle is cut out (--resize)`]
        : []),
    ],
  };
}

function resizeFrom(
  how: number | "warp" | "letterbox",
  size: { readonly heightPx: number; readonly widthPx: number },
): Resize {
  if (how === "warp") return { kind: how, ...size };
  if (how === "letterbox") return { kind: how, ...size, padValue: 114, padding: "both-sides" };
  return { kind: "shorter-side", px: how, crop: size };
}

const pixelTypes: readonly PixelType[] = ["FP32", "FP16", "UINT8"];

function pixelType(dtype: DType | undefined): PixelType | undefined {
  return pixelTypes.find((each) => each === dtype);
}

/** @throws MissingOptionError if three channels, or a single one, are found neither first nor last */
function layoutOf(input: OnnxValue): Layout {
  const [, first, , last] = input.shape ?? [];
  for (const channelCount of [3, 1]) {
    if (first === channelCount && last !== channelCount) return "nchw";
    if (last === channelCount && first !== channelCount) return "nhwc";
  }
  throw new MissingOptionError(
    "layout",
    `the position of the channels in ${valueText(input)} is ambiguous; set --layout NCHW (PyTorch) or --layout NHWC (TensorFlow)`,
  );
}

function isGrayscale({ shape = [] }: OnnxValue, layout: Layout): boolean {
  return shape[layout === "nchw" ? 1 : 3] === 1;
}

function sizeOf({ shape = [] }: OnnxValue, layout: Layout, { sizePx }: PictureImportOptions) {
  const [height = -1, width = -1] = layout === "nchw" ? shape.slice(2) : shape.slice(1, 3);
  if (height > 0 && width > 0) return [height, width] as const;
  return sizePx;
}

function familySize(family: Family | undefined) {
  const resize = family?.preprocessing.resize;
  if (!resize || resize.kind === "fit") return undefined;
  const { heightPx, widthPx } = resize.kind === "shorter-side" ? resize.crop : resize;
  return [heightPx, widthPx] as const;
}

function missingSize(input: OnnxValue): never {
  throw new MissingOptionError(
    "size",
    `${valueText(input)} leaves the size of pictures open; set --size 224, or --size HEIGHTxWIDTH`,
  );
}

interface PixelForm {
  readonly layout: PixelLayout;
  readonly dtype: PixelType;
  readonly channelOrder: ChannelOrder;
}

/** `(pixel − mean) / std`, brought to pixel units. */
export function normalisation(
  { mean, std }: PictureImportOptions,
  { layout, dtype, channelOrder }: PixelForm,
): Pick<Preprocessing, "mean" | "scale"> & Pick<PictureInputInfo, "assumptions"> {
  if (!mean && !std && dtype === "UINT8") {
    const assumptions = ["pixels are sent as they are, 0 to 255 (--mean, --std)"];
    return { mean: [0, 0, 0], scale: 1, assumptions };
  }
  if (!mean && !std && (layout === "nhwc" || channelOrder === "grayscale")) {
    throw new MissingOptionError(
      "mean",
      "the normalisation of pixels is unknown; set --mean and --std: 127.5 for both for -1 to 1, --mean 0 --std 255 for 0 to 1, --mean 0 for 0 to 255, --mean 123.68,116.779,103.939 --std 1 for TF-slim",
    );
  }
  const assumptions =
    mean || std
      ? []
      : [
          "pixels are normalised as torchvision does it, by ImageNet's mean and deviation (--mean, --std)",
        ];
  const chosenMean = mean ?? (std ? ([0, 0, 0] as const) : torchvision.mean);
  const chosenStd = std ?? (mean ? ([1, 1, 1] as const) : torchvision.std);
  const isUnit = [...chosenMean, ...chosenStd].every((value) => Math.abs(value) <= 1);
  // A mean without a deviation leaves the scale of pixels as it is.
  const unit = isUnit && (std !== undefined || !mean) ? 255 : 1;
  const inPixels = (values: PerChannel): PerChannel => [
    values[0] * unit,
    values[1] * unit,
    values[2] * unit,
  ];
  const [red, green, blue] = inPixels(chosenStd);
  return {
    mean: inPixels(chosenMean),
    scale: [1 / red, 1 / green, 1 / blue] as const,
    assumptions,
  };
}

export function valueText({ name, shape, dtype, typeText }: OnnxValue): string {
  const extents = shape?.map((extent) => (extent === -1 ? "?" : extent)).join(", ") ?? "any shape";
  return `"${name}" ${dtype ?? typeText} [${extents}]`;
}
