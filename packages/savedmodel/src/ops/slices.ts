import { bytesPerElement, type FixedSizeTensor } from "@tensorgate/core";
import { forEachOffset, stridesOf } from "../convert/numbers.ts";
import {
  numbersInput,
  type OpCall,
  type OpHandler,
  positiveAxis,
  rankOf,
  refuse,
  tensorInput,
} from "../convert/op-call.ts";
import { axisIn } from "../convert/tensor-tools.ts";
import type { Shape, TensorValue } from "../convert/value.ts";
import { attributeInteger } from "../read/attributes.ts";
import { layoutWithout } from "./reductions.ts";

/** What is taken of one axis. */
export interface AxisSlice {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** Beyond either end of any axis. */
const farIndex = 2 ** 31 - 1;

/** How many elements a slice has of an axis; -1 if that is not known. */
export function sliceExtent(extent: number, { start, end, step }: AxisSlice): number {
  if (extent < 0) {
    const isPlain = step === 1 && end !== farIndex && start >= 0 === end >= 0;
    return isPlain ? Math.max(0, end - start) : -1;
  }
  const limit = (index: number, low: number, high: number) =>
    Math.min(Math.max(index < 0 ? index + extent : index, low), high);
  const [low, high] = step > 0 ? [0, extent] : [-1, extent - 1];
  // The end of all, for a step backwards, is before the first.
  const last = step < 0 && end === -farIndex ? -1 : limit(end, low, high);
  return Math.max(0, Math.ceil((last - limit(start, low, high)) / step));
}

interface Taken {
  readonly slices: readonly AxisSlice[];
  /** Axes of which one index is taken. */
  readonly removed: ReadonlySet<number>;
}

/** Slices a tensor, and takes away the axes of which one index was taken. */
export function sliced(call: OpCall, value: TensorValue, { slices, removed }: Taken): TensorValue {
  const { dtype, constant } = value;
  const shape = value.shape as Shape;
  const extents = shape.map((extent, axis) => {
    const slice = slices.find((each) => each.axis === axis);
    return slice ? sliceExtent(extent, slice) : extent;
  });
  const kept = extents.filter((_, axis) => !removed.has(axis));
  const { graph, nameIn, made, foldedTensor } = call.tools;
  if (constant && "data" in constant) {
    return foldedTensor({ ...slicedConstant(constant, slices, extents), shape: kept });
  }
  const layout = layoutWithout(value, removed);
  const input = nameIn(value, layout);
  const vector = (of: (slice: AxisSlice) => number) => graph.integers(slices.map(of));
  const cut =
    slices.length === 0
      ? input
      : graph.op("Slice", [
          input,
          vector(({ start }) => start),
          vector(({ end }) => end),
          vector(({ axis }) => axisIn(layout, axis)),
          vector(({ step }) => step),
        ]);
  const axes = [...removed].map((axis) => axisIn(layout, axis)).toSorted((a, b) => a - b);
  const name = removed.size === 0 ? cut : graph.op("Squeeze", [cut, graph.integers(axes)]);
  const elements = slicedElements(value, slices);
  return made(name, {
    dtype,
    shape: kept,
    layout: removed.size === 0 ? layout : "plain",
    elements,
  });
}

/** What is known of the elements of a vector is known of its slice. */
function slicedElements({ elements, shape }: TensorValue, slices: readonly AxisSlice[]) {
  const [slice] = slices;
  if (!elements || shape?.length !== 1 || !slice || slice.step !== 1) return elements;
  return elements.slice(slice.start, slice.end);
}

function slicedConstant(
  constant: FixedSizeTensor,
  slices: readonly AxisSlice[],
  extents: Shape,
): FixedSizeTensor {
  const strides = stridesOf(constant.shape);
  const steps = [...strides];
  let first = 0;
  for (const { axis, start, step } of slices) {
    const extent = constant.shape[axis] as number;
    const from = Math.min(Math.max(start < 0 ? start + extent : start, 0), Math.max(0, extent - 1));
    first += from * (strides[axis] as number);
    steps[axis] = step * (strides[axis] as number);
  }
  const size = bytesPerElement[constant.dtype];
  const data: Uint8Array[] = [];
  forEachOffset(
    extents,
    steps,
    (offset) => void data.push(constant.data.subarray(offset * size, (offset + 1) * size)),
    first,
  );
  return { ...constant, shape: extents, data: Buffer.concat(data) };
}

function slice(call: OpCall): TensorValue {
  const value = tensorInput(call, 0);
  rankOf(value);
  const begins = numbersInput(call, 1, "the begins");
  const sizes = numbersInput(call, 2, "the sizes");
  const slices = begins.flatMap((start, axis): readonly AxisSlice[] => {
    const size = sizes[axis] as number;
    if (start === 0 && (size === -1 || size === value.shape?.[axis])) return [];
    return [{ axis, start, end: size === -1 ? farIndex : start + size, step: 1 }];
  });
  return sliced(call, value, { slices, removed: new Set() });
}

function stridedSlice(call: OpCall): TensorValue {
  const value = tensorInput(call, 0);
  const begins = numbersInput(call, 1, "the begins");
  const ends = numbersInput(call, 2, "the ends");
  const steps = numbersInput(call, 3, "the strides");
  const mask = (name: string) => {
    const bits = attributeInteger(call.node, `${name}_mask`, 0);
    return (index: number) => ((bits >> index) & 1) === 1;
  };
  const [isBegin, isEnd] = [mask("begin"), mask("end")];
  const [isEllipsis, isNew, isRemoved] = [mask("ellipsis"), mask("new_axis"), mask("shrink_axis")];
  const indexes = begins.map((_, index) => index);
  const newCount = indexes.filter((index) => isNew(index) && !isEllipsis(index)).length;
  const hasEllipsis = indexes.some(isEllipsis);
  const taken = begins.length - newCount - +hasEllipsis;
  const skipped = hasEllipsis ? rankOf(value) - taken : 0;

  const slices: AxisSlice[] = [];
  const removed = new Set<number>();
  const newAxes: number[] = [];
  let axis = 0;
  let place = 0;
  for (const index of indexes) {
    if (isEllipsis(index)) {
      axis += skipped;
      place += skipped;
    } else if (isNew(index)) {
      newAxes.push(place);
      place += 1;
    } else {
      const [start, step] = [begins[index] as number, steps[index] as number];
      if (isRemoved(index)) {
        removed.add(axis);
        slices.push({ axis, start, end: start === -1 ? farIndex : start + 1, step: 1 });
      } else {
        place += 1;
        const far = step > 0 ? farIndex : -farIndex;
        const from = isBegin(index) ? (step > 0 ? 0 : farIndex) : start;
        const to = isEnd(index) ? far : (ends[index] as number);
        const isWhole = from === 0 && to === farIndex && step === 1;
        if (!isWhole) slices.push({ axis, start: from, end: to, step });
      }
      axis += 1;
    }
  }
  rankOf(value);
  const cut = sliced(call, value, { slices, removed });
  return newAxes.length === 0 ? cut : unsqueezed(call, cut, newAxes);
}

function unsqueezed(call: OpCall, value: TensorValue, axes: readonly number[]): TensorValue {
  const { graph, plain, made } = call.tools;
  let shape = value.shape as Shape;
  for (const axis of axes) shape = shape.toSpliced(axis, 0, 1);
  const name = graph.op("Unsqueeze", [plain(value), graph.integers(axes)]);
  return made(name, { dtype: value.dtype, shape });
}

/** Most parts of a tensor. */
const maxPartCount = 4_096;

/** @throws UnsupportedError for more parts than networks have */
function partCount(call: OpCall, attribute: string): number {
  const count = attributeInteger(call.node, attribute, 0);
  return count >= 0 && count <= maxPartCount ? count : refuse(`into ${count} parts`);
}

/** Cuts a tensor into parts along an axis. */
function parts(call: OpCall, value: TensorValue, axis: number, sizes: readonly number[]) {
  let start = 0;
  return sizes.map((size) => {
    const slices = [{ axis, start, end: start + size, step: 1 }];
    start += size;
    return sliced(call, value, { slices, removed: new Set() });
  });
}

function split(call: OpCall): readonly TensorValue[] {
  const [axis = 0] = numbersInput(call, 0, "the axes");
  const value = tensorInput(call, 1);
  const place = positiveAxis(axis, rankOf(value));
  const count = partCount(call, "num_split");
  const extent = value.shape?.[place] ?? -1;
  if (extent < 0 || extent % count !== 0) refuse(`an axis of ${extent} into ${count}`);
  return parts(call, value, place, new Array<number>(count).fill(extent / count));
}

function splitBySizes(call: OpCall): readonly TensorValue[] {
  const value = tensorInput(call, 0);
  const sizes = numbersInput(call, 1, "the sizes");
  const [axis = 0] = numbersInput(call, 2, "the axes");
  const place = positiveAxis(axis, rankOf(value));
  const known = sizes.filter((size) => size >= 0).reduce((sum, size) => sum + size, 0);
  const extent = value.shape?.[place] ?? -1;
  if (sizes.includes(-1) && extent < 0) refuse("an axis whose extent is not known");
  return parts(
    call,
    value,
    place,
    sizes.map((size) => (size < 0 ? extent - known : size)),
  );
}

function unpack(call: OpCall): readonly TensorValue[] {
  const value = tensorInput(call, 0);
  const axis = positiveAxis(attributeInteger(call.node, "axis", 0), rankOf(value));
  const count = partCount(call, "num");
  return Array.from({ length: count }, (_, start) =>
    sliced(call, value, {
      slices: [{ axis, start, end: start + 1, step: 1 }],
      removed: new Set([axis]),
    }),
  );
}

export const sliceOps: readonly (readonly [string, OpHandler])[] = [
  ["Slice", slice],
  ["StridedSlice", stridedSlice],
  ["Split", split],
  ["SplitV", splitBySizes],
  ["Unpack", unpack],
];
