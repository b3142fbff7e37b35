import { type DType, type FixedSizeTensor, isFixedSize, type Tensor } from "@tensorgate/core";
import { SavedModelError } from "../saved-model-error.ts";
import { type NumberDType, permuted, reshaped, tensorOfNumbers } from "./numbers.ts";
import type { OnnxGraph } from "./onnx-graph.ts";
import { constantValue, type Layout, type Shape, type TensorValue } from "./value.ts";

/** For each axis of TensorFlow's NHWC its place in NCHW. */
const placeInNchw = [0, 2, 3, 1];
const toNchw = [0, 3, 1, 2];
const toNhwc = [0, 2, 3, 1];

/** Bytes of a value while it is computed. */
const bytesPerValue = 8;

/** What conversions of operators are made with. */
export interface TensorTools {
  readonly graph: OnnxGraph;
  /** A tensor that a node of ONNX computes. */
  made(name: string, like: Made): TensorValue;
  /** Charges so many elements that are to be computed, before they take memory. @throws SavedModelError */
  charge(elementCount: number): void;
  /** A constant of numbers that was computed. @throws SavedModelError if constants take too much memory */
  folded(dtype: NumberDType, shape: Shape, values: ArrayLike<number>): TensorValue;
  /** Charges a constant that was computed. */
  foldedTensor(constant: FixedSizeTensor): TensorValue;
  /** Name in ONNX of a tensor in a layout; transposed, once, if it has the other one. */
  nameIn(value: TensorValue, layout: Layout): string;
  /** Name in ONNX of a tensor in TensorFlow's order of the axes. */
  plain(value: TensorValue): string;
  /** Name of a tensor of integers as INT64. */
  int64(value: TensorValue): string;
  /** Brings tensors to one layout in which they broadcast as in TensorFlow. */
  aligned(values: readonly TensorValue[]): { readonly names: readonly string[]; layout: Layout };
}

export interface Made {
  readonly dtype: DType;
  readonly shape: Shape | undefined;
  readonly layout?: Layout;
  readonly elements?: readonly (number | undefined)[] | undefined;
  readonly int64Name?: string;
}

/** Place of a TensorFlow axis in a layout. */
export function axisIn(layout: Layout, axis: number): number {
  return layout === "nchw" ? (placeInNchw[axis] as number) : axis;
}

/** Values for each axis, in the order that a layout has. */
export function orderedFor<T>(layout: Layout, perAxis: readonly T[]): readonly T[] {
  return layout === "nchw" ? toNchw.map((axis) => perAxis[axis] as T) : perAxis;
}

export function createTensorTools(graph: OnnxGraph, maxFoldedBytes: number): TensorTools {
  const transposed = new Map<string, string>();
  const heldNames = new WeakMap<Tensor, Map<Layout, string>>();
  let foldedBytes = 0;

  function chargeBytes(byteCount: number): void {
    foldedBytes += byteCount;
    if (foldedBytes <= maxFoldedBytes) return;
    const text = `constants of more than ${maxFoldedBytes} bytes would have to be computed`;
    throw new SavedModelError("too-large", text);
  }

  function held(constant: Tensor, layout: Layout): string {
    const names = heldNames.get(constant) ?? new Map<Layout, string>();
    heldNames.set(constant, names);
    const known = names.get(layout);
    if (known !== undefined) return known;
    const name = graph.constant(inLayout(fixed(constant), layout));
    names.set(layout, name);
    return name;
  }

  const tools: TensorTools = {
    graph,
    made: (name, { layout = "plain", ...rest }) => ({ kind: "tensor", name, layout, ...rest }),
    folded: (dtype, shape, values) => tools.foldedTensor(tensorOfNumbers(dtype, shape, values)),
    charge: (elementCount) => chargeBytes(elementCount * bytesPerValue),
    foldedTensor: (constant) => {
      chargeBytes(constant.data.byteLength);
      return constantValue(constant);
    },
    nameIn: (value, layout) => {
      if (value.constant) return held(value.constant, layout);
      const name = value.name as string;
      if (value.layout === layout) return name;
      const key = `${layout} ${name}`;
      const known = transposed.get(key);
      if (known !== undefined) return known;
      const made = graph.op("Transpose", [name], { perm: layout === "nchw" ? toNchw : toNhwc });
      transposed.set(key, made);
      transposed.set(`${value.layout} ${made}`, name);
      return made;
    },
    plain: (value) => tools.nameIn(value, "plain"),
    int64: (value) => {
      if (value.constant) {
        const { constant } = value;
        if (constant.dtype === "INT64") return held(constant, "plain");
        return graph.op("Cast", [held(constant, "plain")], { to: 7 });
      }
      if (value.dtype === "INT64") return tools.plain(value);
      return value.int64Name ?? graph.op("Cast", [tools.plain(value)], { to: 7 });
    },
    aligned: (values) => {
      const isNchw = values.some((value) => !value.constant && value.layout === "nchw");
      if (!isNchw || !values.every(fitsNchw)) {
        return { names: values.map(tools.plain), layout: "plain" };
      }
      return { names: values.map(nchwName), layout: "nchw" };
    },
  };

  /** Name of a tensor of any rank up to 4 that broadcasts against one with channels first. */
  function nchwName(value: TensorValue): string {
    const shape = value.shape ?? [];
    if (shape.length === 4) return tools.nameIn(value, "nchw");
    if (shape.length === 0) return tools.plain(value);
    if (value.constant) {
      const missing = new Array<number>(4 - shape.length).fill(1);
      return graph.constant(
        inLayout(fixed(reshaped(value.constant, [...missing, ...shape])), "nchw"),
      );
    }
    return graph.op("Unsqueeze", [tools.plain(value), graph.integers([1, 2])]);
  }
  return tools;
}

/** A vector of channels becomes [C, 1, 1]; what else has a rank between scalars and pictures is rare. */
function fitsNchw({ shape, constant }: TensorValue): boolean {
  if (!shape || shape.length > 4) return false;
  return constant !== undefined || shape.length === 4 || shape.length <= 1;
}

function inLayout(constant: FixedSizeTensor, layout: Layout): FixedSizeTensor {
  return layout === "nchw" ? permuted(constant, toNchw) : constant;
}

function fixed(tensor: Tensor): FixedSizeTensor {
  if ("data" in tensor && isFixedSize(tensor.dtype)) return tensor;
  throw new SavedModelError("unsupported", "the outputs need constant text");
}
