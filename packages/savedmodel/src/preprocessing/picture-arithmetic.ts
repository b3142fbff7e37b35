import { numbersOf } from "../convert/numbers.ts";
import { type OpHandler, refuse } from "../convert/op-call.ts";
import type { PictureChannel } from "../convert/value.ts";
import { made, pictureInput } from "./picture-steps.ts";

type Change = (channel: PictureChannel, by: number) => PictureChannel;

/** Arithmetic with a constant: one for all channels, or one for each. */
function arithmetic(change: Change, isSymmetric: boolean): OpHandler {
  return (call) => {
    const index = call.inputs[0]?.kind === "picture" ? 0 : 1;
    const picture = pictureInput(call, index);
    const other = call.inputs[1 - index];
    if (index === 1 && !isSymmetric) refuse("a constant before the picture");
    if (other?.kind !== "tensor" || !other.constant) return refuse("with what is not constant");
    if (picture.dtype !== "FP32") refuse(`of ${picture.dtype}`);
    const values = Array.from(numbersOf(other.constant) ?? refuse("with no numbers"));
    const count = picture.channels.length;
    const isPerChannel = other.shape?.at(-1) === values.length && picture.axes.at(-1) === "channel";
    if (values.length !== 1 && !(values.length === count && isPerChannel)) refuse("with a picture");
    const channels = picture.channels.map((channel, at) =>
      change(channel, values[values.length === 1 ? 0 : at] as number),
    );
    return made({ ...picture, channels });
  };
}

/** The values of a channel, computed in float32 as TensorFlow does. */
const computed = ({ plane }: PictureChannel, of: (value: number) => number) =>
  plane && { plane: plane.map((value) => of(value)) };

const plus: Change = (channel, by) => ({
  ...channel,
  offset: channel.offset + by,
  ...computed(channel, (value) => value + by),
});
const minus: Change = (channel, by) => ({
  ...channel,
  offset: channel.offset - by,
  ...computed(channel, (value) => value - by),
});
const times: Change = (channel, by) => ({
  ...channel,
  scale: channel.scale * by,
  offset: channel.offset * by,
  ...computed(channel, (value) => value * by),
});
const over: Change = (channel, by) => ({
  ...channel,
  scale: channel.scale / by,
  offset: channel.offset / by,
  ...computed(channel, (value) => value / by),
});

export const pictureArithmetic: readonly (readonly [string, OpHandler])[] = [
  ["Add", arithmetic(plus, true)],
  ["AddV2", arithmetic(plus, true)],
  ["Sub", arithmetic(minus, false)],
  ["Mul", arithmetic(times, true)],
  ["RealDiv", arithmetic(over, false)],
  ["Div", arithmetic(over, false)],
];
