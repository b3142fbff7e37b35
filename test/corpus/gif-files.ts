import type { Colour, Pixels } from "./pixels.ts";
import { colourAt } from "./pixels.ts";

export interface GifFrame {
  readonly leftPx: number;
  readonly topPx: number;
  readonly pixels: Pixels;
  readonly isInterlaced: boolean;
  readonly hasOwnPalette: boolean;
}

export interface GifOptions {
  readonly version: "87a" | "89a";
  readonly screen: { readonly widthPx: number; readonly heightPx: number };
  readonly frames: readonly GifFrame[];
  /** Extensions before the first frame. */
  readonly extensions: readonly Buffer[];
}

/** Brings a colour to one of 256: three bits of red and green, two of blue. */
export function gifColour([red, green, blue]: Colour): Colour {
  return [red & 0xe0, green & 0xe0, blue & 0xc0];
}

const palette = Buffer.from(
  Array.from({ length: 256 }, (_, index) => [
    index & 0xe0,
    (index << 3) & 0xe0,
    (index << 6) & 0xc0,
  ]).flat(),
);

const indexOf = ([red, green, blue]: Colour) => (red & 0xe0) | ((green & 0xe0) >> 3) | (blue >> 6);

const uint16 = (...values: readonly number[]) => {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, index) => void bytes.writeUInt16LE(value, index * 2));
  return bytes;
};

export function gifFile({ version, screen, frames, extensions }: GifOptions): Buffer {
  return Buffer.concat([
    Buffer.from(`GIF${version}`, "latin1"),
    uint16(screen.widthPx, screen.heightPx),
    Buffer.from([0xf7, 0, 0]),
    palette,
    ...extensions,
    ...frames.map(gifFrame),
    Buffer.from([0x3b]),
  ]);
}

export function gifExtension(label: number, blocks: readonly Buffer[]): Buffer {
  const written = blocks.flatMap((block) => [Buffer.from([block.length]), block]);
  return Buffer.concat([Buffer.from([0x21, label]), ...written, Buffer.alloc(1)]);
}

function gifFrame({ leftPx, topPx, pixels, isInterlaced, hasOwnPalette }: GifFrame): Buffer {
  const { widthPx, heightPx } = pixels;
  const flags = (hasOwnPalette ? 0x87 : 0) | (isInterlaced ? 0x40 : 0);
  const rows = Array.from({ length: heightPx }, (_, y) => y);
  const order = isInterlaced ? interlaced(rows) : rows;
  const indexes = order.flatMap((y) =>
    Array.from({ length: widthPx }, (_, x) => indexOf(colourAt(pixels, x, y))),
  );
  return Buffer.concat([
    Buffer.from([0x2c]),
    uint16(leftPx, topPx, widthPx, heightPx),
    Buffer.from([flags]),
    hasOwnPalette ? palette : Buffer.alloc(0),
    Buffer.from([8]),
    ...blocksOf(codesOf(indexes)),
    Buffer.alloc(1),
  ]);
}

/** @see GIF89a, appendix E */
function interlaced(rows: readonly number[]): readonly number[] {
  const every = (step: number, start: number) => rows.filter((y) => y % step === start);
  return [...every(8, 0), ...every(8, 4), ...every(4, 2), ...every(2, 1)];
}

const clear = 256;
const end = 257;
/** As long as a table that was just cleared has codes of nine bits. */
const maxRun = 200;

/** LZW that never refers to what it has seen: the table is cleared before its codes grow. */
function codesOf(indexes: readonly number[]): Buffer {
  const codes: number[] = [];
  indexes.forEach((index, at) => {
    if (at % maxRun === 0) codes.push(clear);
    codes.push(index);
  });
  codes.push(end);
  const bytes = Buffer.alloc(Math.ceil((codes.length * 9) / 8));
  codes.forEach((code, at) => {
    const bit = at * 9;
    const value = code << (bit % 8);
    const byte = Math.floor(bit / 8);
    bytes[byte] = (bytes[byte] ?? 0) | (value & 0xff);
    if (byte + 1 < bytes.length) bytes[byte + 1] = (bytes[byte + 1] ?? 0) | (value >> 8);
  });
  return bytes;
}

function blocksOf(bytes: Buffer): readonly Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 255) {
    const block = bytes.subarray(at, at + 255);
    blocks.push(Buffer.from([block.length]), block);
  }
  return blocks;
}
