import { crc32, deflateSync } from "node:zlib";
import type { Colour, Pixels } from "./pixels.ts";
import { colourAt } from "./pixels.ts";

export interface PngOptions {
  readonly kind: "grey" | "rgb" | "palette" | "grey-alpha" | "rgba";
  readonly bitDepth: 1 | 2 | 4 | 8 | 16;
  readonly isInterlaced: boolean;
  /** With `kind: "palette"`; its pixels have these colours only. */
  readonly palette: readonly Colour[];
  /** Between IHDR and what the pixels need. */
  readonly chunks: readonly Buffer[];
}

export function pngChunk(type: string, content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const named = Buffer.concat([Buffer.from(type, "latin1"), content]);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

export const pngMark: Buffer = Buffer.from("89504e470d0a1a0a", "hex");
const colourTypes = { grey: 0, rgb: 2, palette: 3, "grey-alpha": 4, rgba: 6 } as const;

/** Writes a PNG without filters. Grey is taken from the red of its pixels. */
export function pngFile(pixels: Pixels, options: PngOptions): Buffer {
  const { kind, bitDepth, isInterlaced, palette, chunks } = options;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(pixels.widthPx, 0);
  header.writeUInt32BE(pixels.heightPx, 4);
  header.set([bitDepth, colourTypes[kind], 0, 0, isInterlaced ? 1 : 0], 8);
  const colours = kind === "palette" ? [pngChunk("PLTE", Buffer.from(palette.flat()))] : [];
  const rows = isInterlaced ? interlacedRows(pixels, options) : passRows(pixels, options, whole);
  return Buffer.concat([
    pngMark,
    pngChunk("IHDR", header),
    ...chunks,
    ...colours,
    pngChunk("IDAT", deflateSync(rows)),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Which pixels a pass has. */
interface Pass {
  readonly left: number;
  readonly top: number;
  readonly stepX: number;
  readonly stepY: number;
}

const whole: Pass = { left: 0, top: 0, stepX: 1, stepY: 1 };

/** Adam7. @see PNG (3rd edition), section 8 */
const passes: readonly Pass[] = [
  { left: 0, top: 0, stepX: 8, stepY: 8 },
  { left: 4, top: 0, stepX: 8, stepY: 8 },
  { left: 0, top: 4, stepX: 4, stepY: 8 },
  { left: 2, top: 0, stepX: 4, stepY: 4 },
  { left: 0, top: 2, stepX: 2, stepY: 4 },
  { left: 1, top: 0, stepX: 2, stepY: 2 },
  { left: 0, top: 1, stepX: 1, stepY: 2 },
];

function interlacedRows(pixels: Pixels, options: PngOptions): Buffer {
  return Buffer.concat(passes.map((pass) => passRows(pixels, options, pass)));
}

function passRows(pixels: Pixels, options: PngOptions, pass: Pass): Buffer {
  const rows: Buffer[] = [];
  if (pass.left >= pixels.widthPx) return Buffer.alloc(0);
  for (let y = pass.top; y < pixels.heightPx; y += pass.stepY) {
    const samples: number[] = [];
    for (let x = pass.left; x < pixels.widthPx; x += pass.stepX) {
      samples.push(...samplesOf(colourAt(pixels, x, y), options));
    }
    rows.push(Buffer.concat([Buffer.alloc(1), packed(samples, options.bitDepth)]));
  }
  return Buffer.concat(rows);
}

/** Alpha is half of everything: what it covers is kept. */
const alpha = 128;

function samplesOf(colour: Colour, { kind, palette, bitDepth }: PngOptions): readonly number[] {
  const [red] = colour;
  switch (kind) {
    case "grey":
      return [greySample(red, bitDepth)];
    case "grey-alpha":
      return [red, alpha];
    case "rgb":
      return colour;
    case "rgba":
      return [...colour, alpha];
    case "palette":
      return [palette.findIndex((each) => each.every((level, at) => level === colour[at]))];
  }
}

/** What is stored for a level of grey, of which fewer than 8 bits keep the highest. */
export function greySample(level: number, bitDepth: number): number {
  return bitDepth < 8 ? level >> (8 - bitDepth) : level;
}

/** Palette indexes and grey levels below 8 bits are packed; of 16 bits the lower 8 are ignored. */
function packed(samples: readonly number[], bitDepth: number): Buffer {
  if (bitDepth === 8) return Buffer.from(samples);
  if (bitDepth === 16) return Buffer.from(samples.flatMap((sample) => [sample, 255 - sample]));
  const perByte = 8 / bitDepth;
  const bytes = Buffer.alloc(Math.ceil(samples.length / perByte));
  samples.forEach((sample, index) => {
    const shift = 8 - bitDepth * ((index % perByte) + 1);
    const at = Math.floor(index / perByte);
    bytes[at] = (bytes[at] ?? 0) | (sample << shift);
  });
  return bytes;
}
