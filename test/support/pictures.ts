import { readFileSync } from "node:fs";

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
