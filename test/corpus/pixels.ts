import { below, type Random } from "../fuzz/mutate.ts";

/** Interleaved 8-bit red, green and blue, row by row. */
export interface Pixels {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly data: Uint8Array;
}

export type Colour = readonly [red: number, green: number, blue: number];

export function pixelsOf(
  widthPx: number,
  heightPx: number,
  colourAt: (x: number, y: number) => Colour,
): Pixels {
  const data = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y += 1) {
    for (let x = 0; x < widthPx; x += 1) data.set(colourAt(x, y), (y * widthPx + x) * 3);
  }
  return { widthPx, heightPx, data };
}

export function colourAt({ widthPx, data }: Pixels, x: number, y: number): Colour {
  const at = (y * widthPx + x) * 3;
  return [data[at] ?? 0, data[at + 1] ?? 0, data[at + 2] ?? 0];
}

/** Draws a picture that is smooth, so that lossy formats keep it, and like none of its mirror images. */
export function scene(widthPx: number, heightPx: number, random: Random): Pixels {
  const blue = below(random, 256);
  const across = 255 / Math.max(1, widthPx - 1);
  const down = 255 / Math.max(1, heightPx - 1);
  return pixelsOf(widthPx, heightPx, (x, y) => [
    Math.round(x * across),
    Math.round(255 - y * down),
    blue,
  ]);
}

/** @param bitDepth - as few levels as have so many bits, from black to white */
export function grey({ widthPx, heightPx, data }: Pixels, bitDepth = 8): Pixels {
  const lostBits = Math.max(0, 8 - bitDepth);
  const highest = 255 >> lostBits;
  return pixelsOf(widthPx, heightPx, (x, y) => {
    const at = (y * widthPx + x) * 3;
    const full = Math.round(((data[at] ?? 0) * 2 + (data[at + 1] ?? 0)) / 3);
    const level = ((full >> lostBits) * 255) / highest;
    return [level, level, level];
  });
}

/** Turns a picture by quarters, to the left as AVIF counts them. */
export function turnedLeft(pixels: Pixels, quarters: number): Pixels {
  if (quarters === 0) return pixels;
  const { widthPx, heightPx } = pixels;
  const turned = pixelsOf(heightPx, widthPx, (x, y) => colourAt(pixels, widthPx - 1 - y, x));
  return turnedLeft(turned, quarters - 1);
}

/** Exchanges left and right. */
export function mirrored(pixels: Pixels): Pixels {
  const { widthPx, heightPx } = pixels;
  return pixelsOf(widthPx, heightPx, (x, y) => colourAt(pixels, widthPx - 1 - x, y));
}

/** Exchanges top and bottom. */
export function flipped(pixels: Pixels): Pixels {
  const { widthPx, heightPx } = pixels;
  return pixelsOf(widthPx, heightPx, (x, y) => colourAt(pixels, x, heightPx - 1 - y));
}

export interface Area {
  readonly leftPx: number;
  readonly topPx: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

export function cropped(pixels: Pixels, { leftPx, topPx, widthPx, heightPx }: Area): Pixels {
  return pixelsOf(widthPx, heightPx, (x, y) => colourAt(pixels, leftPx + x, topPx + y));
}

/**
 * What is stored so that people see `seen`: by Exif the first row and column are at the top and left (1), top and right
 * (2), bottom and right (3), bottom and left (4), and for 5 to 8 at the same four places with rows as columns.
 */
export function storedAs(seen: Pixels, orientation: number): Pixels {
  const { widthPx, heightPx } = seen;
  const right = widthPx - 1;
  const bottom = heightPx - 1;
  const isFromRight = [2, 3, 6, 7].includes(orientation);
  const isFromBottom = [3, 4, 7, 8].includes(orientation);
  const at = (x: number, y: number) =>
    colourAt(seen, isFromRight ? right - x : x, isFromBottom ? bottom - y : y);
  return orientation < 5
    ? pixelsOf(widthPx, heightPx, at)
    : pixelsOf(heightPx, widthPx, (x, y) => at(y, x));
}

/** Mean difference of two pictures of one size, in levels of 255. */
export function difference(one: Pixels, other: Pixels): number {
  let sum = 0;
  for (let at = 0; at < one.data.length; at += 1) {
    sum += Math.abs((one.data[at] ?? 0) - (other.data[at] ?? 0));
  }
  return sum / one.data.length;
}

/** What people see of a picture that is stored so. */
export function shownFrom(stored: Pixels, orientation: number): Pixels {
  // Where the first pixel is seen is the inverse of where it is stored: 6 and 8 undo each other.
  return storedAs(stored, [1, 2, 3, 4, 5, 8, 7, 6][orientation - 1] ?? 1);
}

/** Inks as they are mixed: red is what cyan and black leave of white. */
export function mixed([cyan = 0, magenta = 0, yellow = 0, black = 0]: readonly number[]): Colour {
  const left = (ink: number) => Math.floor(((255 - ink) * (255 - black)) / 255);
  return [left(cyan), left(magenta), left(yellow)];
}
