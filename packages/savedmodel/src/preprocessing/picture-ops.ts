import type { DType } from "@tensorgate/core";
import { tensorOfNumbers } from "../convert/numbers.ts";
import {
  numbersInput,
  type OpCall,
  type OpHandler,
  positiveAxis,
  refuse,
} from "../convert/op-call.ts";
import {
  constantValue,
  type PictureAxis,
  type PictureSteps,
  type Value,
} from "../convert/value.ts";
import {
  attributeDType,
  attributeFlag,
  attributeInteger,
  attributeIntegers,
} from "../read/attributes.ts";
import { pictureArithmetic } from "./picture-arithmetic.ts";
import { croppedPlane, decodedPlanes, resizedPlane } from "./picture-planes.ts";
import { extentOf, made, pictureInput, shapeOf, withPlanes } from "./picture-steps.ts";

/** Decodes: the picture has the size that is tried. */
export function decode({ node, inputs: [text] }: OpCall): Value {
  if (text?.kind !== "text" || !text.size) {
    return refuse("of a picture that is not an element of a map over the input");
  }
  // 0 means as many as the file has: three for nearly all.
  const count = attributeInteger(node, "channels", 0) || 3;
  if (count !== 1 && count !== 3) refuse(`with ${count} channels`);
  if (attributeInteger(node, "ratio", 1) !== 1) refuse("at a fraction of its size");
  const planes = text.pixels && decodedPlanes(text.pixels, count);
  const channels = Array.from({ length: count }, (_, from) => ({
    from,
    scale: 1,
    offset: 0,
    ...(planes && { plane: planes[from] }),
  }));
  return made({
    dtype: attributeDType(node, "dtype") ?? "UINT8",
    axes: ["height", "width", "channel"],
    ...text.size,
    resized: undefined,
    topPx: 0,
    leftPx: 0,
    channels,
  });
}

function cast(call: OpCall): Value {
  const picture = pictureInput(call);
  const dtype: DType = attributeDType(call.node, "DstT") ?? "FP32";
  if (dtype !== "FP32" && dtype !== picture.dtype) refuse(`to ${dtype}`);
  return made({ ...picture, dtype });
}

function shape(call: OpCall): Value {
  const extents = shapeOf(pictureInput(call));
  const dtype = attributeDType(call.node, "out_type") === "INT64" ? "INT64" : "INT32";
  return constantValue(tensorOfNumbers(dtype, [extents.length], extents));
}

function expandDims(call: OpCall): Value {
  const picture = pictureInput(call);
  const [axis = 0] = numbersInput(call, 1, "the axes");
  const { axes } = picture;
  return made({ ...picture, axes: axes.toSpliced(positiveAxis(axis, axes.length + 1), 0, "one") });
}

function squeeze(call: OpCall): Value {
  const picture = pictureInput(call);
  const { axes } = picture;
  const given = attributeIntegers(call.node, "squeeze_dims").map((axis) =>
    positiveAxis(axis, axes.length),
  );
  const isRemoved = (axis: PictureAxis, index: number) =>
    given.length > 0 ? given.includes(index) : axis === "one";
  if (axes.some((axis, index) => isRemoved(axis, index) && axis !== "one"))
    refuse("of a picture's side");
  return made({ ...picture, axes: axes.filter((axis, index) => !isRemoved(axis, index)) });
}

/** Reshapes that only add or take away axes of 1. */
function reshape(call: OpCall): Value {
  const picture = pictureInput(call);
  const sides = picture.axes.filter((axis) => axis !== "one");
  const extents = sides.map((axis) => extentOf(picture, axis));
  const target = numbersInput(call, 1, "the extents");
  const axes: PictureAxis[] = [];
  let next = 0;
  for (const extent of target) {
    if (next < sides.length && (extent === extents[next] || extent === -1)) {
      axes.push(sides[next] as PictureAxis);
      next += 1;
    } else if (extent === 1) axes.push("one");
    else refuse(`to [${target}]`);
  }
  return next === sides.length ? made({ ...picture, axes }) : refuse(`to [${target}]`);
}

function resize(call: OpCall): Value {
  const picture = pictureInput(call);
  const [heightPx = 0, widthPx = 0] = numbersInput(call, 1, "the sizes");
  if (picture.resized || picture.topPx !== 0 || picture.leftPx !== 0) {
    refuse("after another resize or a crop");
  }
  const isCorners = attributeFlag(call.node, "align_corners");
  const isHalf = attributeFlag(call.node, "half_pixel_centers");
  const coordinates = isCorners ? "align-corners" : isHalf ? "half-pixel" : "tensorflow-1";
  const resized = { heightPx, widthPx, coordinates } as const;
  const channels = withPlanes(picture, (plane) => resizedPlane(plane, picture, resized));
  return made({ ...picture, dtype: "FP32", heightPx, widthPx, resized, channels });
}

interface Part {
  readonly start: number;
  readonly size: number;
}

/** Takes a part of each axis: of height and width a crop, of the channels some of them. */
function cropped(picture: PictureSteps, parts: readonly Part[]): PictureSteps {
  let result = picture;
  const corner = { topPx: 0, leftPx: 0 };
  for (const [index, { start, size }] of parts.entries()) {
    const axis = picture.axes[index] as PictureAxis;
    const extent = extentOf(picture, axis);
    if (start < 0 || size < 1 || start + size > extent) refuse(`[${start}, ${size}] of ${extent}`);
    if (axis === "height") {
      corner.topPx = start;
      result = { ...result, topPx: result.topPx + start, heightPx: size };
    } else if (axis === "width") {
      corner.leftPx = start;
      result = { ...result, leftPx: result.leftPx + start, widthPx: size };
    } else if (axis === "channel") {
      result = { ...result, channels: result.channels.slice(start, start + size) };
    }
  }
  const { heightPx, widthPx } = result;
  const part = { heightPx, widthPx, ...corner };
  const channels = withPlanes(result, (plane) => croppedPlane(plane, picture.widthPx, part));
  return { ...result, channels };
}

function slice(call: OpCall): Value {
  const picture = pictureInput(call);
  const begins = numbersInput(call, 1, "the begins");
  const sizes = numbersInput(call, 2, "the sizes");
  const extents = shapeOf(picture);
  const parts = begins.map((start, axis) => {
    const size = sizes[axis] as number;
    return { start, size: size === -1 ? (extents[axis] as number) - start : size };
  });
  return made(cropped(picture, parts));
}

function stridedSlice(call: OpCall): Value {
  const picture = pictureInput(call);
  const bits = (name: string) => attributeInteger(call.node, `${name}_mask`, 0);
  const isSet = (name: string, index: number) => ((bits(name) >> index) & 1) === 1;
  const [begins, ends, steps] = [1, 2, 3].map((index) => numbersInput(call, index, "the bounds"));
  if (bits("new_axis") !== 0) refuse("with new axes");
  const { axes, channels } = picture;
  const extents = shapeOf(picture);
  const count = begins?.length ?? 0;
  const places: number[] = [];
  let axis = 0;
  for (let index = 0; index < count; index += 1) {
    places.push(isSet("ellipsis", index) ? -1 : axis);
    axis += isSet("ellipsis", index) ? axes.length - count + 1 : 1;
  }
  const parts = extents.map((size) => ({ start: 0, size }));
  const removed = new Set<number>();
  let isReversed = false;
  for (const [index, place] of places.entries()) {
    if (place < 0) continue;
    const extent = extents[place] ?? 0;
    const at = (value = 0) => (value < 0 ? value + extent : Math.min(value, extent));
    const step = steps?.[index] ?? 1;
    const isAll = isSet("begin", index) && isSet("end", index);
    if (step === -1 && axes[place] === "channel" && isAll) isReversed = true;
    else if (step !== 1) refuse(`with a step of ${step}`);
    else {
      const start = isSet("begin", index) ? 0 : at(begins?.[index]);
      const isOne = isSet("shrink_axis", index);
      const end = isOne ? start + 1 : isSet("end", index) ? extent : at(ends?.[index]);
      parts[place] = { start, size: end - start };
      if (isOne && axes[place] !== "one") refuse("of one row, column or channel");
      if (isOne) removed.add(place);
    }
  }
  const part = cropped(picture, parts);
  return made({
    ...part,
    axes: axes.filter((_, index) => !removed.has(index)),
    channels: isReversed ? channels.toReversed() : part.channels,
  });
}

/** Pads by nothing, as graphs do that crop or pad to a size. */
function pad(call: OpCall): Value {
  const picture = pictureInput(call);
  const isNothing = numbersInput(call, 1, "the paddings").every((count) => count === 0);
  return isNothing ? made(picture) : refuse("with a border");
}

/** Exchanges the order of channels. */
function reverse(call: OpCall): Value {
  const picture = pictureInput(call);
  const axes = numbersInput(call, 1, "the axes").map((axis) =>
    positiveAxis(axis, picture.axes.length),
  );
  if (axes.some((axis) => picture.axes[axis] !== "channel"))
    refuse("of another axis than channels");
  return made(
    axes.length === 0 ? picture : { ...picture, channels: picture.channels.toReversed() },
  );
}

function channelAxis(picture: PictureSteps, axis: number): void {
  if (picture.axes[positiveAxis(axis, picture.axes.length)] !== "channel") {
    refuse("along another axis than channels");
  }
}

function split(call: OpCall): readonly Value[] {
  const [axis = 0] = numbersInput(call, 0, "the axes");
  const picture = pictureInput(call, 1);
  channelAxis(picture, axis);
  const count = attributeInteger(call.node, "num_split", 1);
  const size = picture.channels.length / count;
  if (!Number.isInteger(size)) refuse(`of ${picture.channels.length} channels into ${count}`);
  return Array.from({ length: count }, (_, index) =>
    made({ ...picture, channels: picture.channels.slice(index * size, (index + 1) * size) }),
  );
}

/** Joins channels of one picture, each of which may have been changed on its own. */
function concat(call: OpCall): Value {
  const last = call.inputs.length - 1;
  const pictures = Array.from({ length: last }, (_, index) => pictureInput(call, index));
  const [axis = 0] = numbersInput(call, last, "the axes");
  const [first] = pictures;
  if (!first) return refuse("it has no input");
  channelAxis(first, axis);
  const placeOf = ({ channels: _, ...rest }: PictureSteps) => JSON.stringify(rest);
  if (pictures.some((each) => placeOf(each) !== placeOf(first))) refuse("of different pictures");
  return made({ ...first, channels: pictures.flatMap(({ channels }) => channels) });
}

const same: OpHandler = (call) => made(pictureInput(call));

/** What may be done to a picture of a loop, so that it can be declared. */
export const pictureOps: ReadonlyMap<string, OpHandler> = new Map<string, OpHandler>([
  ["Cast", cast],
  ["Identity", same],
  ["StopGradient", same],
  ["EnsureShape", same],
  ["Shape", shape],
  ["ExpandDims", expandDims],
  ["Squeeze", squeeze],
  ["Reshape", reshape],
  ["ResizeBilinear", resize],
  ["Slice", slice],
  ["StridedSlice", stridedSlice],
  ["Pad", pad],
  ["PadV2", pad],
  ["ReverseV2", reverse],
  ["Split", split],
  ["ConcatV2", concat],
  ...pictureArithmetic,
]);
