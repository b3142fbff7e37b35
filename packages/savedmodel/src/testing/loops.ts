import { float32Tensor } from "@tensorgate/core";
import { type TestNode, testConstant, testNode } from "./saved-model.ts";

const float = { T: { type: "FP32" } } as const;
const integer = (name: string, values: readonly number[] | number) =>
  testConstant(name, values, { dtype: "INT32" });
const array = { dtype: { type: "FP32" } } as const;

/**
 * For tests: a `map_fn` as TensorFlow 1 writes it, over the strings of `images:0`. Its result is `mapped:0`.
 *
 * @param body - takes one string, `read`, and makes `result`
 */
export function mapLoop(body: readonly TestNode[]): readonly TestNode[] {
  return [
    testNode("Placeholder", "images", [], { dtype: { type: "BYTES" } }),
    testNode("Shape", "count", ["images"]),
    integer("zero", 0),
    integer("one", 1),
    testNode("Range", "indices", ["zero", "count", "one"]),
    testNode("TensorArrayV3", "source", ["count"], { dtype: { type: "BYTES" } }),
    testNode("TensorArrayScatterV3", "scatter", ["source", "indices", "images", "source:1"]),
    testNode("TensorArrayV3", "target", ["count"], array),
    testNode("Enter", "enter", ["zero"]),
    testNode("Enter", "enter_flow", ["target:1"]),
    testNode("Enter", "enter_source", ["source"]),
    testNode("Enter", "enter_scatter", ["scatter"]),
    testNode("Enter", "enter_target", ["target"]),
    testNode("Merge", "merge", ["enter", "next"]),
    testNode("Merge", "merge_flow", ["enter_flow", "next_flow"]),
    testNode("Less", "less", ["merge", "count"]),
    testNode("LoopCond", "condition", ["less"]),
    testNode("Switch", "switch", ["merge", "condition"]),
    testNode("Switch", "switch_flow", ["merge_flow", "condition"]),
    testNode("Identity", "index", ["switch:1"]),
    testNode("TensorArrayReadV3", "read", ["enter_source", "index", "enter_scatter"]),
    ...body,
    testNode("TensorArrayWriteV3", "write", ["enter_target", "index", "result", "switch_flow:1"]),
    testNode("AddV2", "add", ["index", "one"]),
    testNode("NextIteration", "next", ["add"]),
    testNode("NextIteration", "next_flow", ["write"]),
    testNode("Exit", "exit", ["switch_flow"]),
    testNode("TensorArrayGatherV3", "mapped", ["target", "indices", "exit"], array),
  ];
}

/** For tests: nodes that decode `read` to floats, `pixels`, and know its `height` and `width`. */
export const decodedPicture: readonly TestNode[] = [
  testNode("DecodeJpeg", "decode", ["read"], { channels: 3 }),
  testNode("Cast", "pixels", ["decode"], { SrcT: { type: "UINT8" }, DstT: { type: "FP32" } }),
  testNode("Shape", "extents", ["pixels"], { out_type: { type: "INT32" } }),
  ...["height", "width"].flatMap((name, axis) => [
    integer(`${name}/begin`, [axis]),
    integer(`${name}/end`, [axis + 1]),
    integer(`${name}/step`, [1]),
    testNode("StridedSlice", name, ["extents", `${name}/begin`, `${name}/end`, `${name}/step`], {
      shrink_axis_mask: 1,
    }),
  ]),
];

/** For tests: resizes `pixels` to `size`, as `resized`. */
export function resizedPicture(
  attributes: Parameters<typeof testNode>[3] = {},
): readonly TestNode[] {
  return [
    integer("first", 0),
    testNode("ExpandDims", "batch", ["pixels", "first"], float),
    testNode("ResizeBilinear", "resize", ["batch", "size"], { ...float, ...attributes }),
    testNode("Squeeze", "resized", ["resize"], { squeeze_dims: [0], ...float }),
  ];
}

const side = {
  dtype: { type: "FP32" },
  value: { tensor: float32Tensor([], Float32Array.of(64)) },
} as const;

/** For tests: the shorter side of a picture becomes 64, by a condition of TensorFlow 1, as `size`. */
export const shorterSide: readonly TestNode[] = [
  testNode("Cast", "h", ["height"], { DstT: { type: "FP32" } }),
  testNode("Cast", "w", ["width"], { DstT: { type: "FP32" } }),
  testNode("Greater", "is_tall", ["h", "w"], float),
  testNode("Switch", "pivot", ["is_tall", "is_tall"]),
  testNode("Identity", "then", ["pivot:1"]),
  testNode("Identity", "else", ["pivot"]),
  testNode("Const", "side_then", ["^then"], side),
  testNode("Const", "side_else", ["^else"], side),
  testNode("Switch", "switch_w", ["w", "is_tall"], float),
  testNode("Switch", "switch_h", ["h", "is_tall"], float),
  testNode("RealDiv", "by_w", ["side_then", "switch_w:1"], float),
  testNode("RealDiv", "by_h", ["side_else", "switch_h"], float),
  testNode("Merge", "factor", ["by_h", "by_w"], float),
  testNode("Mul", "scaled_h", ["h", "factor"], float),
  testNode("Mul", "scaled_w", ["w", "factor"], float),
  testNode("Cast", "new_h", ["scaled_h"], { DstT: { type: "INT32" } }),
  testNode("Cast", "new_w", ["scaled_w"], { DstT: { type: "INT32" } }),
  testNode("Pack", "size", ["new_h", "new_w"], { axis: 0, N: 2 }),
];

/** For tests: the middle of `resized`, 48×56, as `middle`. */
export const middle: readonly TestNode[] = [
  integer("rows", 48),
  integer("columns", 56),
  integer("two", 2),
  testNode("Sub", "spare_h", ["new_h", "rows"]),
  testNode("Sub", "spare_w", ["new_w", "columns"]),
  testNode("FloorDiv", "top", ["spare_h", "two"]),
  testNode("FloorDiv", "left", ["spare_w", "two"]),
  integer("channel", 0),
  testNode("Pack", "corner", ["top", "left", "channel"], { axis: 0, N: 3 }),
  integer("part", [48, 56, 3]),
  testNode("Slice", "middle", ["resized", "corner", "part"], float),
];

/** For tests: takes a mean from each channel of `picture`, as `result`. */
export function withoutMeans(picture: string): readonly TestNode[] {
  return [
    integer("channels_axis", 2),
    testNode("Split", "split", ["channels_axis", picture], { num_split: 3, ...float }),
    ...[123.68, 116.779, 103.939].flatMap((mean, index) => [
      testConstant(`mean${index}`, mean),
      testNode(
        "Sub",
        `less${index}`,
        [index === 0 ? "split" : `split:${index}`, `mean${index}`],
        float,
      ),
    ]),
    testNode("ConcatV2", "result", ["less0", "less1", "less2", "channels_axis"], {
      N: 3,
      ...float,
    }),
  ];
}
