import { readFileSync } from "node:fs";
import sharp from "sharp";

/** Longest comment segment of a JPEG, its length field included. */
const maxCommentBytes = 65_535;
/** A segment needs its marker, and its length of two bytes. */
const minSegmentBytes = 4;

const small = await sharp(readFileSync(new URL("../examples/pictures/star.jpg", import.meta.url)))
  .resize(64)
  .jpeg({ quality: 60 })
  .toBuffer();

/**
 * @param byteCount - at least 1,000
 * @returns a JPEG of 64×64 pixels and exactly this length: comments fill it
 */
export function pictureOf(byteCount: number): Buffer {
  const parts: Buffer[] = [small.subarray(0, 2)];
  for (let missing = byteCount - small.length; missing > 0; ) {
    const longest = Math.min(missing, maxCommentBytes + 2);
    // What is left must hold another segment.
    const rest = missing - longest;
    const length = rest > 0 && rest < minSegmentBytes ? longest - minSegmentBytes : longest;
    const comment = Buffer.alloc(length, 0x20);
    comment.set([0xff, 0xfe]);
    comment.writeUInt16BE(length - 2, 2);
    parts.push(comment);
    missing -= length;
  }
  return Buffer.concat([...parts, small.subarray(2)]);
}
