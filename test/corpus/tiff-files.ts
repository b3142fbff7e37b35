import type { Pixels } from "./pixels.ts";

export interface TiffOptions {
  readonly orientation: number;
  readonly isLittleEndian: boolean;
  /** Of the sizes and the orientation. */
  readonly type: "SHORT" | "LONG";
  /** Whether each pixel is four inks rather than three colours. */
  readonly hasInks?: boolean;
}

/** Writes a TIFF of one strip without compression. */
export function tiffFile(
  { widthPx, heightPx, data }: Pixels,
  { orientation, isLittleEndian, type, hasInks = false }: TiffOptions,
): Buffer {
  const kind = type === "SHORT" ? 3 : 4;
  const samples = hasInks ? 4 : 3;
  const entryCount = 10;
  const directoryAt = 8;
  const bitsAt = directoryAt + 2 + entryCount * 12 + 4;
  const dataAt = bitsAt + 2 * samples;
  const entries: readonly (readonly [tag: number, type: number, count: number, value: number])[] = [
    [256, kind, 1, widthPx],
    [257, kind, 1, heightPx],
    [258, 3, samples, bitsAt],
    [259, 3, 1, 1],
    [262, 3, 1, hasInks ? 5 : 2],
    [273, 4, 1, dataAt],
    [274, 3, 1, orientation],
    [277, 3, 1, samples],
    [278, kind, 1, heightPx],
    [279, 4, 1, data.length],
  ];
  const head = new DataView(new ArrayBuffer(dataAt));
  head.setUint16(0, isLittleEndian ? 0x4949 : 0x4d4d);
  head.setUint16(2, 42, isLittleEndian);
  head.setUint32(4, directoryAt, isLittleEndian);
  head.setUint16(directoryAt, entries.length, isLittleEndian);
  entries.forEach(([tag, valueType, count, value], index) => {
    const at = directoryAt + 2 + index * 12;
    head.setUint16(at, tag, isLittleEndian);
    head.setUint16(at + 2, valueType, isLittleEndian);
    head.setUint32(at + 4, count, isLittleEndian);
    if (valueType === 3 && count === 1) head.setUint16(at + 8, value, isLittleEndian);
    else head.setUint32(at + 8, value, isLittleEndian);
  });
  for (let sample = 0; sample < samples; sample += 1) {
    head.setUint16(bitsAt + sample * 2, 8, isLittleEndian);
  }
  return Buffer.concat([Buffer.from(head.buffer), data]);
}
