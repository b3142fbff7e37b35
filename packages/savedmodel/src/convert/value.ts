import type { Coordinates, DType, FixedSizeTensor, Tensor } from "@tensorgate/core";

/** Extents in TensorFlow's order of the axes; -1 for one that is not known. */
export type Shape = readonly number[];

/** Where the channels of a tensor of rank 4 are in ONNX; `plain` is TensorFlow's own order of the axes. */
export type Layout = "plain" | "nchw";

/** A tensor that the ONNX model computes, or a constant that it may hold. */
export interface TensorValue {
  readonly kind: "tensor";
  readonly dtype: DType;
  /** Undefined for an unknown rank. */
  readonly shape: Shape | undefined;
  readonly layout: Layout;
  /** In ONNX; undefined for a constant that is not held yet. */
  readonly name: string | undefined;
  /** Always plain. */
  readonly constant?: Tensor | undefined;
  /** Of an integer vector or scalar: the elements that are known already, such as extents. */
  readonly elements?: readonly (number | undefined)[] | undefined;
  /** The same integers as INT64, which ONNX wants for shapes. */
  readonly int64Name?: string | undefined;
}

/** A variable itself, rather than its value. */
export interface VariableValue {
  readonly kind: "variable";
  /** Node of the graph. */
  readonly node: string;
}

/** Blocks of space that were made batches, so that a convolution is dilated. */
export interface BatchesValue {
  readonly kind: "batches";
  readonly source: TensorValue;
  readonly block: readonly number[];
  /** Begin and end of each axis of space. */
  readonly paddings: readonly (readonly number[])[];
}

/** Encoded pictures, or other text, that an input of the model takes. */
export interface TextValue {
  readonly kind: "text";
  /** What it is called in the ONNX model. */
  readonly input: string;
  /** One of them, inside of a loop over all. */
  readonly isElement: boolean;
  /** The size that the picture has when it is decoded; one of several that are tried. */
  readonly size: { readonly heightPx: number; readonly widthPx: number } | undefined;
  /** Its red, green and blue, if it is to be computed rather than to be known by its size. */
  readonly pixels?: Uint8Array | undefined;
}

/** One picture inside of a loop, known only by what was done to it. */
export interface PictureValue {
  readonly kind: "picture";
  readonly picture: PictureSteps;
}

/** Which extent of a picture an axis is; `one` for those of extent 1, such as a batch. */
export type PictureAxis = "one" | "height" | "width" | "channel";

/** What was done to a decoded picture. All of it is linear in the pixels. */
export interface PictureSteps {
  readonly dtype: DType;
  readonly axes: readonly PictureAxis[];
  readonly heightPx: number;
  readonly widthPx: number;
  /** The whole picture after its resize; undefined before one. */
  readonly resized: ResizedPicture | undefined;
  /** Place of what is left in it. */
  readonly topPx: number;
  readonly leftPx: number;
  readonly channels: readonly PictureChannel[];
}

export interface ResizedPicture {
  readonly heightPx: number;
  readonly widthPx: number;
  readonly coordinates: Coordinates | "align-corners";
}

/** Values of one channel, `[heightPx, widthPx]`, as float32: what TensorFlow computes with. */
export type Plane = Float32Array<ArrayBuffer>;

export interface PictureChannel {
  /** Channel of the decoded picture: 0 is red, or luma. */
  readonly from: number;
  /** Its values became `value × scale + offset`. */
  readonly scale: number;
  readonly offset: number;
  /** These values, `[heightPx, widthPx]` of the picture, where they are computed. */
  readonly plane?: Plane | undefined;
}

/** What cannot be converted; the reason is noted where it was met. */
export interface PoisonValue {
  readonly kind: "poison";
}

/** The branch of a condition that is not taken. */
export interface DeadValue {
  readonly kind: "dead";
}

export type Value =
  | TensorValue
  | VariableValue
  | BatchesValue
  | TextValue
  | PictureValue
  | PoisonValue
  | DeadValue;

export const poison: PoisonValue = { kind: "poison" };
export const dead: DeadValue = { kind: "dead" };

/** Longest vector whose elements are known one by one: shapes are far shorter. */
export const maxKnownElements = 64;

/** A constant. */
export function constantValue(constant: Tensor): TensorValue {
  const { dtype, shape } = constant;
  return {
    kind: "tensor",
    dtype,
    shape,
    layout: "plain",
    name: undefined,
    constant,
    elements: knownElements(constant),
  };
}

function knownElements(constant: Tensor): readonly number[] | undefined {
  const isIndex = constant.dtype === "INT32" || constant.dtype === "INT64";
  if (!isIndex || constant.shape.length > 1 || (constant.shape[0] ?? 0) > maxKnownElements)
    return undefined;
  const view = viewOf(constant);
  return constant.dtype === "INT32"
    ? Array.from({ length: view.byteLength / 4 }, (_, at) => view.getInt32(at * 4, true))
    : Array.from({ length: view.byteLength / 8 }, (_, at) =>
        Number(view.getBigInt64(at * 8, true)),
      );
}

function viewOf({ data }: FixedSizeTensor): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
