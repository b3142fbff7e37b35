import type { Preprocessing, Signature, TensorInfo } from "@tensorgate/core";
import type { PictureInput } from "./picture-input.ts";
import type { Release } from "./release.ts";

/** Channels of a picture in color. */
const colorChannels = 3;

/**
 * Returns the signature that the configuration describes, for replicas that report none: names as a stock server of the
 * model has them, and those of the graph.
 *
 * @returns undefined if the configuration does not describe the input of the model
 */
export function describedSignature({
  picture,
  outputs,
  wireNames,
}: Release): Signature | undefined {
  if (!picture) return undefined;
  const names = wireNames["tensorflow-serving"];
  const graphNames = wireNames["azure-fpga"];
  const graphName = (of: ReadonlyMap<string, string>, name: string) => of.get(name) ?? name;
  return {
    methodName: "tensorflow/serving/predict",
    inputs: new Map([
      [
        names.inputs.get(picture.tensor) ?? picture.tensor,
        { ...pictureInfo(picture), graphName: graphName(graphNames.inputs, picture.tensor) },
      ],
    ]),
    outputs: new Map(
      outputs.map(({ name, dtype = "FP32", shape }) => [
        names.outputs.get(name) ?? name,
        { dtype, shape, graphName: graphName(graphNames.outputs, name) },
      ]),
    ),
  };
}

function pictureInfo({ preprocessing, isScalar }: PictureInput): TensorInfo {
  if (!preprocessing) return { dtype: "BYTES", shape: isScalar ? [] : [-1] };
  return { dtype: preprocessing.dtype ?? "FP32", shape: pixelShape(preprocessing) };
}

function pixelShape({ resize, channelOrder, layout = "nhwc" }: Preprocessing): readonly number[] {
  const extents = {
    n: -1,
    h: resize.kind === "fit" ? -1 : sizeOf(resize).heightPx,
    w: resize.kind === "fit" ? -1 : sizeOf(resize).widthPx,
    c: channelOrder === "grayscale" ? 1 : colorChannels,
  };
  return [...layout].map((axis) => extents[axis as keyof typeof extents]);
}

type FixedResize = Exclude<Preprocessing["resize"], { readonly kind: "fit" }>;

const sizeOf = (resize: FixedResize) => (resize.kind === "shorter-side" ? resize.crop : resize);
