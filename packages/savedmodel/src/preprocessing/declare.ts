import {
  type PerChannel,
  type Preprocessing,
  placementOf,
  type Resize,
  shortestFloat32,
} from "@tensorgate/core";
import { UnsupportedError } from "../convert/op-call.ts";
import type { PictureChannel, PictureSteps, ResizedPicture } from "../convert/value.ts";

export interface PictureSize {
  readonly heightPx: number;
  readonly widthPx: number;
}

/** What a loop made of a picture of some size. */
export interface Trial {
  readonly size: PictureSize;
  readonly steps: PictureSteps;
}

export interface Declaration {
  readonly preprocessing: Preprocessing;
  /** Sizes of which the declared resize gives a picture one pixel larger or smaller, as other roundings do. */
  readonly roundedSizes: readonly PictureSize[];
}

/** Pictures of every proportion, odd and even, smaller and larger than what models take. */
export const triedSizes: readonly PictureSize[] = [
  [256, 256],
  [480, 640],
  [640, 480],
  [333, 500],
  [500, 333],
  [375, 500],
  [427, 640],
  [1_080, 1_920],
  [1_999, 1_501],
  [257, 389],
  [299, 299],
  [700, 301],
  [301, 700],
  [2_448, 3_264],
  [341, 257],
  [768, 1_024],
  // Longer sides that are not whole pixels, and are rounded up or down.
  [313, 517],
  [733, 411],
  [405, 607],
  [611, 359],
  [283, 777],
  [901, 397],
  [523, 1_201],
  [1_333, 617],
].map(([heightPx = 0, widthPx = 0]) => ({ heightPx, widthPx }));

/**
 * Declares what a loop does to pictures, by what it did to pictures of several sizes.
 *
 * @throws UnsupportedError if no declaration says it
 */
export function declare(trials: readonly Trial[]): Declaration {
  const [first] = trials;
  if (!first) throw new UnsupportedError("nothing was tried");
  const { steps } = first;
  const isSame = (of: (steps: PictureSteps) => unknown) =>
    trials.every((trial) => JSON.stringify(of(trial.steps)) === JSON.stringify(of(steps)));
  if (!isSame(({ heightPx, widthPx }) => [heightPx, widthPx])) {
    throw new UnsupportedError("the size of the result depends on the picture");
  }
  if (!isSame(({ channels, axes, dtype }) => [channels, axes, dtype])) {
    throw new UnsupportedError("what is done depends on the size of the picture");
  }
  if (String(steps.axes) !== "height,width,channel" || steps.dtype !== "FP32") {
    throw new UnsupportedError(`the result is ${steps.dtype} of ${steps.axes}`);
  }
  const { resize, roundedSizes } = resizeOf(trials);
  const coordinates = coordinatesOf(resizedOf(steps));
  return { preprocessing: { resize, coordinates, ...channelsOf(steps.channels) }, roundedSizes };
}

function resizedOf({ resized }: PictureSteps): ResizedPicture {
  if (resized) return resized;
  throw new UnsupportedError("pictures are not resized");
}

function coordinatesOf({ coordinates }: ResizedPicture): Preprocessing["coordinates"] {
  if (coordinates !== "align-corners") return coordinates;
  throw new UnsupportedError("pictures are resized with their corners aligned");
}

/** More sizes that differ by a pixel are not due to the rounding of a float: the graph means something else. */
const maxRoundedSizes = 3;

/** Tries the ways in which pictures are brought to a size. */
function resizeOf(trials: readonly Trial[]) {
  const [{ steps }] = trials as [Trial];
  const { heightPx, widthPx } = steps;
  const shorterSides = trials.map((trial) => {
    const resized = resizedOf(trial.steps);
    return Math.min(resized.heightPx, resized.widthPx);
  });
  const candidates: readonly Resize[] = [
    { kind: "warp", heightPx, widthPx },
    // Where the graph's rounding loses a pixel, the others tell the side that is meant.
    { kind: "shorter-side", px: Math.max(...shorterSides), crop: { heightPx, widthPx } },
  ];
  for (const resize of candidates) {
    const distances = trials.map((trial) => distance(resize, trial));
    const roundedSizes = trials
      .filter((_, index) => distances[index] === 1)
      .map(({ size }) => size);
    const isRounded = Math.max(...distances) <= 1 && roundedSizes.length <= maxRoundedSizes;
    if (isRounded) return { resize, roundedSizes };
  }
  throw new UnsupportedError("pictures are brought to their size in a way that cannot be declared");
}

/** The largest difference, in pixels, between a declared placement and that of a trial. */
export function distance(resize: Resize, { size, steps }: Trial): number {
  const { resized, topPx, leftPx } = placementOf(resize, size);
  const made = resizedOf(steps);
  return Math.max(
    Math.abs(resized.heightPx - made.heightPx),
    Math.abs(resized.widthPx - made.widthPx),
    Math.abs(topPx + steps.topPx),
    Math.abs(leftPx + steps.leftPx),
  );
}

function channelsOf(channels: readonly PictureChannel[]) {
  const order = String(channels.map(({ from }) => from));
  const channelOrder = { "0,1,2": "rgb", "2,1,0": "bgr", "0": "grayscale" } as const;
  const known = Object.entries(channelOrder).find(([key]) => key === order)?.[1];
  if (!known) throw new UnsupportedError(`the channels are [${order}]`);
  const perChannel = (of: (channel: PictureChannel) => number): PerChannel => {
    const at = (from: number) => {
      const channel = channels.find((each) => each.from === from) ?? channels[0];
      return channel ? of(channel) : 0;
    };
    return [at(0), at(1), at(2)];
  };
  const mean = perChannel(({ scale, offset }) => shortMean(offset === 0 ? 0 : -offset / scale));
  const scales = perChannel(({ scale }) => shortestFloat32(scale));
  const [scale] = scales;
  return {
    channelOrder: known,
    mean,
    scale: scales.every((each) => each === scale) ? scale : scales,
  };
}

/** Difference of means that no pixel shows: a ten-millionth of their range. */
const negligible = 255e-7;

/** The mean with the fewest digits that is as good: 127.5, where the graph multiplies by the float nearest to 1/127.5. */
function shortMean(mean: number): number {
  for (let digits = 1; digits < 9; digits += 1) {
    const shorter = Number(mean.toPrecision(digits));
    if (Math.abs(shorter - mean) <= negligible) return shorter;
  }
  return mean;
}
