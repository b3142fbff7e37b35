import {
  numbersInput,
  type OpCall,
  type OpHandler,
  refuse,
  tensorInput,
} from "../convert/op-call.ts";
import type { BatchesValue, TensorValue } from "../convert/value.ts";
import { attributeFlag, attributeInteger } from "../read/attributes.ts";
import {
  channelsFirst,
  inTensorFlowOrder,
  paddingAttributes,
  spatial,
  windowExtents,
  windowPadding,
} from "./convolution.ts";

function pool(type: "MaxPool" | "AveragePool"): OpHandler {
  return (call) => {
    const source = tensorInput(call, 0);
    const input = channelsFirst(call, source);
    const window = {
      kernel: spatial(call, "ksize"),
      strides: spatial(call, "strides"),
      dilations: [1, 1],
    };
    const extents = input.shape.slice(2);
    const padding = windowPadding(call, window, extents);
    const name = call.tools.graph.op(type, [input.name], {
      kernel_shape: window.kernel,
      strides: window.strides,
      ...paddingAttributes(padding),
    });
    const { layout } = input;
    const nchw = [...input.shape.slice(0, 2), ...windowExtents(extents, window, padding)];
    const shape = inTensorFlowOrder(layout, nchw);
    return call.tools.made(name, { dtype: source.dtype, shape, layout });
  };
}

/** How ONNX says where a pixel of a resized picture lies. */
function coordinatesOf({ node }: OpCall): string {
  if (attributeFlag(node, "align_corners")) return "align_corners";
  return attributeFlag(node, "half_pixel_centers") ? "half_pixel" : "asymmetric";
}

function resize(mode: "linear" | "nearest"): OpHandler {
  return (call) => {
    const value = tensorInput(call, 0);
    const input = channelsFirst(call, value);
    const wanted = tensorInput(call, 1);
    const { graph } = call.tools;
    const coordinates = coordinatesOf(call);
    // TensorFlow rounds down, except where positions are those of the middles of pixels or of the corners.
    const rounding = coordinates === "asymmetric" ? "floor" : "round_prefer_ceil";
    const name = graph.op("Resize", [input.name, "", "", call.tools.int64(wanted)], {
      mode: { text: mode },
      coordinate_transformation_mode: { text: coordinates },
      ...(mode === "nearest" && { nearest_mode: { text: rounding } }),
      axes: [2, 3],
    });
    const extents = [0, 1].map((axis) => wanted.elements?.[axis] ?? -1);
    const { layout } = input;
    const shape = inTensorFlowOrder(layout, [...input.shape.slice(0, 2), ...extents]);
    // Bilinear pixels are floats, whatever they were before.
    const dtype = mode === "linear" ? "FP32" : value.dtype;
    if (mode === "linear" && value.dtype !== "FP32") refuse(`of ${value.dtype}`);
    return call.tools.made(name, { dtype, shape, layout });
  };
}

/** The inputs of the two operators that exchange space and batches: blocks, and what is padded or cropped. */
function blockInputs(call: OpCall, what: string) {
  const block = numbersInput(call, 1, "the blocks");
  const flat = numbersInput(call, 2, what);
  if (block.length !== 2 || flat.length !== 4) refuse("of other axes than height and width");
  return { block, perAxis: [flat.slice(0, 2), flat.slice(2, 4)] };
}

function spaceToBatch(call: OpCall): BatchesValue {
  const { block, perAxis } = blockInputs(call, "the paddings");
  return { kind: "batches", source: tensorInput(call, 0), block, paddings: perAxis };
}

function batchToSpace(call: OpCall): TensorValue {
  const [batches] = call.inputs;
  const { block, perAxis: crops } = blockInputs(call, "the crops");
  if (batches?.kind !== "batches" || batches.paddings.length > 0) {
    return refuse("without a convolution between SpaceToBatchND and it");
  }
  if (String(block) !== String(batches.block)) return refuse("other blocks than before");
  const { source } = batches;
  if (crops.flat().every((crop) => crop === 0)) return source;
  const { graph } = call.tools;
  const { layout, shape = [-1, -1, -1, -1], dtype } = source;
  const axes = layout === "nchw" ? [2, 3] : [1, 2];
  const name = graph.op("Slice", [
    call.tools.nameIn(source, layout),
    graph.integers(crops.map(([before = 0]) => before)),
    graph.integers(crops.map(([, after = 0]) => (after === 0 ? maxIndex : -after))),
    graph.integers(axes),
  ]);
  const cropped = shape.map((extent, axis) => {
    const [before = 0, after = 0] = crops[axis - 1] ?? [];
    return extent < 0 ? -1 : extent - before - after;
  });
  return call.tools.made(name, { dtype, shape: cropped, layout });
}

/** The end of any axis. */
const maxIndex = 2 ** 31 - 1;

function blocks(type: "DepthToSpace" | "SpaceToDepth"): OpHandler {
  return (call) => {
    const source = tensorInput(call, 0);
    const input = channelsFirst(call, source);
    const size = attributeInteger(call.node, "block_size", 1);
    const name = call.tools.graph.op(type, [input.name], {
      blocksize: size,
      ...(type === "DepthToSpace" && { mode: { text: "DCR" } }),
    });
    const factor = type === "DepthToSpace" ? size : 1 / size;
    const [batch = -1, channels = -1, ...extents] = input.shape;
    const scaled = (extent: number, by: number) => (extent < 0 ? -1 : extent * by);
    const nchw = [
      batch,
      scaled(channels, 1 / factor ** 2),
      ...extents.map((each) => scaled(each, factor)),
    ];
    const { layout } = input;
    const shape = inTensorFlowOrder(layout, nchw);
    return call.tools.made(name, { dtype: source.dtype, shape, layout });
  };
}

function localResponse(call: OpCall): TensorValue {
  const source = tensorInput(call, 0);
  const input = channelsFirst(call, source);
  const { node, tools } = call;
  const size = 2 * attributeInteger(node, "depth_radius", 5) + 1;
  const float = (name: string, byDefault: number) => {
    const value = node.attr[name]?.value;
    return value?.case === "f" ? value.value : byDefault;
  };
  const name = tools.graph.op("LRN", [input.name], {
    size,
    // ONNX divides by the size, TensorFlow does not.
    alpha: { float: float("alpha", 1) * size },
    beta: { float: float("beta", 0.5) },
    bias: { float: float("bias", 1) },
  });
  return tools.made(name, { dtype: source.dtype, shape: source.shape, layout: input.layout });
}

export const poolingOps: readonly (readonly [string, OpHandler])[] = [
  ["MaxPool", pool("MaxPool")],
  ["AvgPool", pool("AveragePool")],
  ["ResizeBilinear", resize("linear")],
  ["ResizeNearestNeighbor", resize("nearest")],
  ["SpaceToBatchND", spaceToBatch],
  ["BatchToSpaceND", batchToSpace],
  ["DepthToSpace", blocks("DepthToSpace")],
  ["SpaceToDepth", blocks("SpaceToDepth")],
  ["LRN", localResponse],
];
