import { readFileSync } from "node:fs";
import { crc32, deflateSync } from "node:zlib";

/** A picture of examples/pictures. */
export function samplePicture(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    readFileSync(new URL(`../../examples/pictures/${name}.jpg`, import.meta.url)),
  );
}

/** A PNG that declares 40,000 × 30,000 pixels and is 10 KB long. */
export function hugePng(): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.alloc(10_000);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  bytes.writeUInt32BE(13, 8);
  bytes.write("IHDR", 12, "latin1");
  bytes.writeUInt32BE(40_000, 16);
  bytes.writeUInt32BE(30_000, 20);
  return new Uint8Array(bytes);
}

/** A PNG of one color. */
export function plainPng(
  color: readonly [red: number, green: number, blue: number],
  sidePx: number,
): Uint8Array<ArrayBuffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(sidePx, 0);
  header.writeUInt32BE(sidePx, 4);
  // Eight bits a channel, red, green and blue.
  header.set([8, 2], 8);
  const row = [0, ...Array.from({ length: sidePx }, () => color).flat()];
  const rows = Buffer.from(Array.from({ length: sidePx }, () => row).flat());
  return new Uint8Array(
    Buffer.concat([
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
      pngChunk("IHDR", header),
      pngChunk("IDAT", deflateSync(rows)),
      pngChunk("IEND", Buffer.alloc(0)),
    ]),
  );
}

function pngChunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const chunk = Buffer.alloc(typed.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  chunk.set(typed, 4);
  chunk.writeUInt32BE(crc32(typed), typed.length + 4);
  return chunk;
}
