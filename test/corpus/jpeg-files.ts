/** A JPEG before its first scan, segment by segment, and from there on. */
export interface JpegFile {
  readonly segments: readonly Buffer[];
  readonly scans: Buffer;
}

export function jpegSegment(marker: number, content: Buffer): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(content.length + 2, 2);
  return Buffer.concat([head, content]);
}

export function splitJpeg(bytes: Buffer): JpegFile {
  const segments: Buffer[] = [];
  let at = 2;
  while (bytes[at + 1] !== 0xda) {
    const end = at + 2 + bytes.readUInt16BE(at + 2);
    segments.push(bytes.subarray(at, end));
    at = end;
  }
  return { segments, scans: bytes.subarray(at) };
}

export function joinedJpeg({ segments, scans }: JpegFile): Buffer {
  return Buffer.concat([Buffer.from([0xff, 0xd8]), ...segments, scans]);
}

/** Whether a segment is a frame header. */
export function isFrameHeader(segment: Buffer): boolean {
  return [0xc0, 0xc1, 0xc2].includes(segment[1] ?? 0);
}

export interface FlatJpegOptions {
  readonly widthPx: number;
  readonly heightPx: number;
  /** The samples of each component, from 0 to 255, for blocks of 8 by 8 pixels from left to right and top to bottom. */
  readonly blocks: readonly (readonly number[])[];
}

/** Codes of four bits for the lengths 0 to 11 of a difference; lengths of AC coefficients need only "end of block". */
const dcCodeBits = 4;
const dcLengths = Array.from({ length: 12 }, (_, length) => length);

/** Writes a JPEG of blocks of one colour each, which comes out of a decoder as it went in. */
export function flatJpeg({ widthPx, heightPx, blocks }: FlatJpegOptions): JpegFile {
  const componentCount = blocks[0]?.length ?? 0;
  const components = Array.from({ length: componentCount }, (_, index) => index + 1);
  const frame = Buffer.from([8, 0, 0, 0, 0, componentCount]);
  frame.writeUInt16BE(heightPx, 1);
  frame.writeUInt16BE(widthPx, 3);
  const scan = [componentCount, ...components.flatMap((id) => [id, 0]), 0, 63, 0];
  const codeCounts = (bits: number, count: number) =>
    Array.from({ length: 16 }, (_, index) => (index + 1 === bits ? count : 0));
  return {
    segments: [
      jpegSegment(0xdb, Buffer.from([0, ...new Array<number>(64).fill(1)])),
      jpegSegment(
        0xc0,
        Buffer.concat([frame, Buffer.from(components.flatMap((id) => [id, 0x11, 0]))]),
      ),
      jpegSegment(0xc4, Buffer.from([0x00, ...codeCounts(dcCodeBits, 12), ...dcLengths])),
      jpegSegment(0xc4, Buffer.from([0x10, ...codeCounts(1, 1), 0])),
    ],
    scans: Buffer.concat([
      jpegSegment(0xda, Buffer.from(scan)),
      entropyCoded(blocks),
      Buffer.from([0xff, 0xd9]),
    ]),
  };
}

/** @see ITU-T T.81, F.1.2: of each block the difference of its mean, and nothing else */
function entropyCoded(blocks: readonly (readonly number[])[]): Buffer {
  let bits = "";
  const before = new Map<number, number>();
  for (const samples of blocks) {
    samples.forEach((sample, component) => {
      const mean = 8 * (sample - 128);
      const step = mean - (before.get(component) ?? 0);
      before.set(component, mean);
      const length = step === 0 ? 0 : Math.floor(Math.log2(Math.abs(step))) + 1;
      const value = step < 0 ? step + 2 ** length - 1 : step;
      const valueBits = length === 0 ? "" : value.toString(2).padStart(length, "0");
      bits += `${length.toString(2).padStart(dcCodeBits, "0")}${valueBits}0`;
    });
  }
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  const bytes = Array.from({ length: padded.length / 8 }, (_, index) =>
    Number.parseInt(padded.slice(index * 8, index * 8 + 8), 2),
  );
  return Buffer.from(bytes.flatMap((byte) => (byte === 0xff ? [0xff, 0] : [byte])));
}
