import { permuted, reshaped } from "../convert/numbers.ts";
import type { OnnxAttributes } from "../convert/onnx-graph.ts";
import { type OpCall, type OpHandler, refuse, tensorInput } from "../convert/op-call.ts";
import { axisIn, orderedFor } from "../convert/tensor-tools.ts";
import type { BatchesValue, Layout, Shape, TensorValue, Value } from "../convert/value.ts";
import { attributeIntegers, attributeText } from "../read/attributes.ts";

/** A window that moves over height and width: of a convolution or a pool. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

/** The order of the axes that a node says its input has. */
export function isChannelsFirst({ node }: OpCall): boolean {
  const format = attributeText(node, "data_format", "NHWC");
  if (format === "NHWC" || format === "NCHW") return format === "NCHW";
  return refuse(`data format ${format}`);
}

/** A picture in ONNX's order of the axes. */
export interface ChannelsFirst {
  readonly name: string;
  readonly layout: Layout;
  /** [batch, channels, height, width] */
  readonly shape: Shape;
}

/**
 * Brings a picture to ONNX's order of the axes: transposed, unless the node takes it with its channels first anyway.
 */
export function channelsFirst(call: OpCall, value: TensorValue): ChannelsFirst {
  if (value.shape && value.shape.length !== 4) refuse(`rank ${value.shape.length}`);
  const shape = value.shape ?? [-1, -1, -1, -1];
  const layout: Layout = isChannelsFirst(call) ? "plain" : "nchw";
  const name = call.tools.nameIn(value, layout);
  return { name, layout, shape: orderedFor(layout, shape) };
}

/** The shape as TensorFlow orders it, of one in ONNX's order. */
export function inTensorFlowOrder(layout: Layout, nchw: Shape): Shape {
  return [0, 1, 2, 3].map((axis) => nchw[axisIn(layout, axis)] as number);
}

/** Attributes that have a value for each axis: those of height and width. */
export function spatial(call: OpCall, name: string): readonly number[] {
  const values = attributeIntegers(call.node, name);
  if (values.length === 0) return [1, 1];
  const first = isChannelsFirst(call) ? 2 : 1;
  const [height = 1, width = 1] = values.slice(first, first + 2);
  if (values.some((value, axis) => axis !== first && axis !== first + 1 && value !== 1)) {
    refuse(`${name} [${values}]`);
  }
  return [height, width];
}

export interface WindowPadding {
  /** Above, left, below, right; undefined for SAME of a picture whose size is not known. */
  readonly pads: readonly number[] | undefined;
  /** Height and width that a dilated kernel spans. */
  readonly reach: readonly number[];
}

/**
 * Pads as TensorFlow does: `SAME` puts the odd pixel below and to the right.
 *
 * @param extents - height and width; -1 where they are not known
 */
export function windowPadding(
  call: OpCall,
  window: Window,
  extents: readonly number[],
): WindowPadding {
  const { kernel, strides, dilations } = window;
  const padding = attributeText(call.node, "padding", "VALID");
  const reach = kernel.map((size, axis) => (size - 1) * (dilations[axis] as number) + 1);
  if (padding === "VALID") return { pads: [0, 0, 0, 0], reach };
  if (padding === "EXPLICIT") {
    const given = attributeIntegers(call.node, "explicit_paddings");
    const first = isChannelsFirst(call) ? 4 : 2;
    const [top = 0, bottom = 0, left = 0, right = 0] = given.slice(first, first + 4);
    return { pads: [top, left, bottom, right], reach };
  }
  const totals = reach.map((size, axis) => {
    const [stride, extent] = [strides[axis] as number, extents[axis] as number];
    if (stride === 1) return size - 1;
    if (extent < 0) return -1;
    return Math.max(0, (Math.ceil(extent / stride) - 1) * stride + size - extent);
  });
  if (totals.includes(-1)) {
    if (dilations.some((dilation) => dilation !== 1)) refuse("SAME, dilated, of an unknown size");
    return { pads: undefined, reach };
  }
  const before = totals.map((total) => Math.floor(total / 2));
  return {
    pads: [...before, ...totals.map((total, axis) => total - (before[axis] as number))],
    reach,
  };
}

export function paddingAttributes({ pads }: WindowPadding): OnnxAttributes {
  return pads ? { pads } : { auto_pad: { text: "SAME_UPPER" } };
}

/** Height and width of the result; -1 where they are not known. */
export function windowExtents(
  extents: readonly number[],
  { strides }: Window,
  { pads, reach }: WindowPadding,
): readonly number[] {
  return extents.map((extent, axis) => {
    const stride = strides[axis] as number;
    if (extent < 0) return -1;
    if (!pads) return Math.ceil(extent / stride);
    const padded = extent + (pads[axis] as number) + (pads[axis + 2] as number);
    return Math.floor((padded - (reach[axis] as number)) / stride) + 1;
  });
}

interface Kernel {
  /** Name of a tensor [out, in of the group, height, width]. */
  readonly name: string;
  readonly outputs: number;
  readonly group: number;
  readonly size: readonly number[];
}

function kernelOf(call: OpCall, channels: number): Kernel {
  const filter = tensorInput(call, 1);
  const [height = -1, width = -1, inputs = -1, outputs = -1] = filter.shape ?? [];
  if (filter.shape?.length !== 4 || filter.shape.includes(-1)) refuse("a kernel of unknown shape");
  const { graph, plain } = call.tools;
  const isDepthwise = call.node.op === "DepthwiseConv2dNative";
  const order = isDepthwise ? [2, 3, 0, 1] : [3, 2, 0, 1];
  const size = [height, width];
  const shape = [inputs * outputs, 1, height, width];
  const { constant } = filter;
  if (constant && "data" in constant) {
    const ordered = permuted(constant, order);
    const name = graph.constant(isDepthwise ? reshaped(ordered, shape) : ordered);
    if (isDepthwise) return { name, size, outputs: inputs * outputs, group: inputs };
    return { name, size, outputs, group: groupsOf(channels, inputs) };
  }
  const ordered = graph.op("Transpose", [plain(filter)], { perm: order });
  if (!isDepthwise) return { name: ordered, size, outputs, group: groupsOf(channels, inputs) };
  const name = graph.op("Reshape", [ordered, graph.integers(shape)]);
  return { name, size, outputs: inputs * outputs, group: inputs };
}

/** TensorFlow does not say how many groups there are: the kernel has fewer inputs than there are channels. */
function groupsOf(channels: number, inputs: number): number {
  if (channels < 0) return 1;
  return channels % inputs === 0 ? channels / inputs : refuse(`${channels} channels by ${inputs}`);
}

function convolution(call: OpCall): Value {
  const [first] = call.inputs;
  const batches = first?.kind === "batches" ? first : undefined;
  const source = batches?.source ?? tensorInput(call, 0);
  const input = channelsFirst(call, source);
  const kernel = kernelOf(call, input.shape[1] as number);
  const dilations = batches?.block ?? spatial(call, "dilations");
  const window = { kernel: kernel.size, strides: spatial(call, "strides"), dilations };
  const extents = input.shape.slice(2);
  const padding = batches
    ? dilatedPadding(call, batches, window)
    : windowPadding(call, window, extents);
  const name = call.tools.graph.op("Conv", [input.name, kernel.name], {
    kernel_shape: kernel.size,
    strides: window.strides,
    dilations,
    group: kernel.group,
    ...paddingAttributes(padding),
  });
  const nchw = [
    input.shape[0] as number,
    kernel.outputs,
    ...windowExtents(extents, window, padding),
  ];
  const { layout } = input;
  const shape = inTensorFlowOrder(layout, nchw);
  const value = call.tools.made(name, { dtype: source.dtype, shape, layout });
  return batches ? { ...batches, source: value, paddings: [] } : value;
}

/** A convolution among batches that were blocks of space is a dilated one of the padded picture. */
function dilatedPadding(
  call: OpCall,
  { paddings }: BatchesValue,
  { strides, kernel, dilations }: Window,
): WindowPadding {
  if (attributeText(call.node, "padding") !== "VALID" || strides.some((stride) => stride !== 1)) {
    refuse("a strided or padded convolution between SpaceToBatchND and BatchToSpaceND");
  }
  if (paddings.length === 0) refuse("two convolutions between SpaceToBatchND and BatchToSpaceND");
  const [rows = [], columns = []] = paddings;
  const pads = [rows[0] as number, columns[0] as number, rows[1] as number, columns[1] as number];
  const reach = kernel.map((size, axis) => (size - 1) * (dilations[axis] as number) + 1);
  return { pads, reach };
}

export const convolutionOps: readonly (readonly [string, OpHandler])[] = [
  ["Conv2D", convolution],
  ["DepthwiseConv2dNative", convolution],
];
