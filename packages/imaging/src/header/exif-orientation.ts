import type { HeaderSteps } from "./header-info.ts";

/**
 * Reads the orientation out of an Exif block: 1 is upright, 2 to 8 are turned or mirrored.
 *
 * @param block - a TIFF header and what follows it; some writers put `Exif\0\0` before it
 * @throws UnsupportedMediaError if there are too many entries before it
 * @returns 1 where the block does not say, or cannot be read: a picture is none the worse for that
 * @see Exif 2.32, section 4.6.2, and 4.6.4 for tag 274
 */
export function exifOrientation(block: DataView, steps: HeaderSteps): number {
  if (block.byteLength < 8) return 1;
  const tiff = block.getUint32(0) === exifMark ? from(block, 6) : block;
  try {
    return orientationInTiff(tiff, steps);
  } catch (thrown) {
    // The end of the block: a DataView checks every read.
    if (thrown instanceof RangeError) return 1;
    throw thrown;
  }
}

const exifMark = 0x45786966;

function from(view: DataView, offset: number): DataView {
  return new DataView(view.buffer, view.byteOffset + offset, view.byteLength - offset);
}

function orientationInTiff(block: DataView, steps: HeaderSteps): number {
  const mark = block.getUint32(0);
  if (mark !== intel && mark !== motorola) return 1;
  const isLittleEndian = mark === intel;
  const directory = block.getUint32(4, isLittleEndian);
  const entryCount = block.getUint16(directory, isLittleEndian);
  for (let entry = 0; entry < entryCount; entry += 1) {
    steps.countPart();
    const at = directory + 2 + entry * 12;
    if (block.getUint16(at, isLittleEndian) !== orientationTag) continue;
    if (block.getUint32(at + 4, isLittleEndian) === 0) return 1;
    // The rule is SHORT; a big-endian LONG has its value in the last of four bytes.
    const isLong = block.getUint16(at + 2, isLittleEndian) === long;
    const value = isLong
      ? block.getUint32(at + 8, isLittleEndian)
      : block.getUint16(at + 8, isLittleEndian);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** "II*\0" and "MM\0*". */
const intel = 0x49492a00;
const motorola = 0x4d4d002a;
const orientationTag = 274;
/** The type of a number of four bytes. */
const long = 4;
