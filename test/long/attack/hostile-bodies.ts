// Bodies that cost far more than their bytes, one builder each.
import { crc32, deflateSync } from "node:zlib";

/** A length-delimited protobuf field: its tag, its length, its content. */
export function field(tag: number, content: Uint8Array): Buffer {
  const length: number[] = [];
  let rest = content.length;
  for (; rest > 0x7f; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Uint8Array.from([tag, ...length, rest]), content]);
}

export function repeated(bytes: readonly number[], byteCount: number): Buffer {
  return Buffer.alloc(byteCount, Uint8Array.from(bytes));
}

/** A gRPC message in its frame. */
export function framed(message: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

const modelSpec = (name: string) => field(0x0a, field(0x0a, Buffer.from(name)));

/** A `ClassifyRequest` of one picture, or a `ClassifyStreamRequest`: their fields are the same. */
export function classifyMessage(model: string, picture: Uint8Array): Buffer {
  return Buffer.concat([modelSpec(model), field(0x12, field(0x12, picture))]);
}

export const unknownFields = (byteCount: number): Buffer => repeated([0x78, 0x00], byteCount);

export const emptyPictures = (byteCount: number): Buffer =>
  Buffer.concat([modelSpec("m"), repeated([0x12, 0x00], byteCount)]);

export const emptyFilters = (byteCount: number): Buffer =>
  Buffer.concat([modelSpec("m"), repeated([0x1a, 0x00], byteCount)]);

/** A `PredictRequest` whose one tensor has a dimension for every byte. */
export const packedShape = (byteCount: number): Buffer =>
  Buffer.concat([
    modelSpec("m"),
    field(
      0x12,
      Buffer.concat([
        field(0x0a, Buffer.from("x")),
        field(0x12, field(0x12, Buffer.alloc(byteCount, 1))),
      ]),
    ),
  ]);

/** A `PredictRequest` of so many tensors with names and nothing else. */
export function mapEntries(count: number): Buffer {
  const entries = Array.from({ length: count }, (_, index) =>
    field(0x12, field(0x0a, Buffer.from(index.toString(36)))),
  );
  return Buffer.concat([modelSpec("m"), ...entries]);
}

export const jsonPictures = (count: number): string =>
  `{"modelSpec":{"name":"m"},"pictures":[${"{},".repeat(count)}{}]}`;

/** A form of empty parts; with files or without. */
export function emptyParts(byteCount: number, isFile: boolean): Buffer {
  const part = `--b\r\nContent-Disposition: form-data; name="a"${isFile ? '; filename="a"' : ""}\r\n\r\n\r\n`;
  return Buffer.concat([Buffer.alloc(byteCount, part), Buffer.from("\r\n--b--\r\n")]);
}

/** A WebP file of empty chunks, none of which says how large the picture is. */
export function emptyWebpChunks(byteCount: number): Buffer {
  const bytes = Buffer.alloc(byteCount, Buffer.from("junk\0\0\0\0", "latin1"));
  bytes.write("RIFF", 0, "latin1");
  bytes.writeUInt32LE(byteCount - 8, 4);
  bytes.write("WEBP", 8, "latin1");
  bytes.write("VP8X", 12, "latin1");
  bytes.writeUInt32LE(10, 16);
  return bytes;
}

/** A JPEG file of bytes that fill, segments without content, or marks of restarts. */
export function jpegOf(piece: readonly number[], byteCount: number): Buffer {
  return Buffer.concat([Buffer.of(0xff, 0xd8), repeated(piece, byteCount)]);
}

/** A grey PNG of the given sides, all black. */
export function blackPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.writeUInt8(8, 8);
  const pixels = deflateSync(Buffer.alloc((width + 1) * height));
  return Buffer.concat([
    Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    pngChunk("IHDR", header),
    pngChunk("IDAT", pixels),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

function pngChunk(type: string, content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const typed = Buffer.concat([Buffer.from(type, "latin1"), content]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(typed));
  return Buffer.concat([length, typed, checksum]);
}
