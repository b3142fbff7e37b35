import sharp, { type Sharp } from "sharp";
import { below, pick, type Random } from "../fuzz/mutate.ts";
import type { ExifOptions } from "./exif-block.ts";
import type { Pixels } from "./pixels.ts";

/** A picture file, and what people see in it. */
export interface PictureCase {
  /** Format and what is special about it; disagreements are counted by it. */
  readonly kind: string;
  readonly bytes: Buffer;
  /** Absent for a file that no reader should take, or that is damaged. */
  readonly seen?: Pixels;
  /** Whether readers may refuse it or see anything, as long as they agree. */
  readonly isDamaged?: boolean;
  /** Mean difference that its coding may make, in levels of 255. */
  readonly maxDifference: number;
  /** Other programs that are known to see something else, and may. */
  readonly unlike: readonly ("sharp" | "Pillow")[];
}

export type DrawCase = (random: Random) => PictureCase | Promise<PictureCase>;

/** Large pictures take as long as many small ones. */
const rareShare = 0.01;

/** Small, around the sizes of blocks, narrow and flat. */
export function drawSide(random: Random): number {
  if (isDrawn(random, rareShare)) return 100 + below(random, 200);
  return pick(random, [1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 33, 40, 64]);
}

/** Sizes that a coder of blocks does not blur much. */
export function drawCodedSide(random: Random): number {
  if (isDrawn(random, rareShare)) return 100 + below(random, 1_200);
  return pick(random, [16, 17, 24, 31, 40, 64]);
}

export const drawOrientation = (random: Random): number => 1 + below(random, 8);
export const isDrawn = (random: Random, share: number): boolean => random() < share;

export function drawExif(random: Random, orientation: number): ExifOptions {
  return {
    orientation,
    isLittleEndian: isDrawn(random, 0.5),
    type: isDrawn(random, 0.5) ? "SHORT" : "LONG",
    otherCount: below(random, 4),
  };
}

/** libexif, by which libvips reads, takes no LONG of big-endian files for an orientation. */
export function unlikeExif({ isLittleEndian, type }: ExifOptions): readonly "sharp"[] {
  return type === "LONG" && !isLittleEndian ? ["sharp"] : [];
}

/** Any bytes without 0xFF. */
export function drawBytes(random: Random, maxLength: number): Buffer {
  const length = 1 + below(random, maxLength);
  return Buffer.from(Array.from({ length }, () => below(random, 255)));
}

/** Puts `piece` into a list at a drawn place, the first `kept` of which stay where they are. */
export function inserted<Value>(
  values: readonly Value[],
  piece: Value,
  { random, kept = 0 }: { readonly random: Random; readonly kept?: number },
): readonly Value[] {
  return values.toSpliced(kept + below(random, values.length + 1 - kept), 0, piece);
}

/** The usual coders, fed with pixels. */
export function coderOf({ widthPx, heightPx, data }: Pixels): Sharp {
  return sharp(data, { raw: { width: widthPx, height: heightPx, channels: 3 } });
}
