/** How an Exif block is written. */
export interface ExifOptions {
  readonly orientation: number;
  readonly isLittleEndian: boolean;
  /** The rule is SHORT. */
  readonly type: "SHORT" | "LONG";
  /** Entries before the orientation. */
  readonly otherCount: number;
}

/** Writes a TIFF header and a directory with an orientation, without the mark that JPEGs put before it. */
export function exifBlock({ orientation, isLittleEndian, type, otherCount }: ExifOptions): Buffer {
  const block = new DataView(new ArrayBuffer(8 + 2 + 12 * (otherCount + 1) + 4));
  block.setUint16(0, isLittleEndian ? 0x4949 : 0x4d4d);
  block.setUint16(2, 42, isLittleEndian);
  block.setUint32(4, 8, isLittleEndian);
  block.setUint16(8, otherCount + 1, isLittleEndian);
  for (let entry = 0; entry < otherCount; entry += 1) {
    // Tags are sorted: ImageWidth and what follows it come before 274.
    const at = 10 + entry * 12;
    block.setUint16(at, 256 + entry, isLittleEndian);
    block.setUint16(at + 2, 3, isLittleEndian);
    block.setUint32(at + 4, 1, isLittleEndian);
    block.setUint16(at + 8, 1, isLittleEndian);
  }
  const at = 10 + otherCount * 12;
  block.setUint16(at, 274, isLittleEndian);
  block.setUint16(at + 2, type === "SHORT" ? 3 : 4, isLittleEndian);
  block.setUint32(at + 4, 1, isLittleEndian);
  if (type === "SHORT") block.setUint16(at + 8, orientation, isLittleEndian);
  else block.setUint32(at + 8, orientation, isLittleEndian);
  return Buffer.from(block.buffer);
}
