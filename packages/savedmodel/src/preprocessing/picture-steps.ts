import { type OpCall, refuse } from "../convert/op-call.ts";
import type {
  PictureAxis,
  PictureChannel,
  PictureSteps,
  PictureValue,
  Plane,
} from "../convert/value.ts";

export function pictureInput({ inputs }: OpCall, index = 0): PictureSteps {
  const value = inputs[index];
  return value?.kind === "picture" ? value.picture : refuse("of several inputs, one is no picture");
}

export const made = (picture: PictureSteps): PictureValue => ({ kind: "picture", picture });

export function extentOf(picture: PictureSteps, axis: PictureAxis): number {
  const { heightPx, widthPx, channels } = picture;
  return { one: 1, height: heightPx, width: widthPx, channel: channels.length }[axis];
}

/** The channels of a picture, after their values were changed where these are computed. */
export const withPlanes = (
  { channels }: PictureSteps,
  change: (plane: Plane) => Plane,
): readonly PictureChannel[] =>
  channels.map((channel) =>
    channel.plane ? { ...channel, plane: change(channel.plane) } : channel,
  );

/** The extents of all axes. */
export const shapeOf = (picture: PictureSteps): readonly number[] =>
  picture.axes.map((axis) => extentOf(picture, axis));
