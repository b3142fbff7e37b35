import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import type { HeaderSteps } from "./header-info.ts";
import {
  CountedSteps,
  maxHeaderParts,
  maxSkippedBytes,
  readPictureHeader,
} from "./picture-header.ts";

const plain = sharp({ create: { width: 37, height: 21, channels: 3, background: "#abc" } });
const jpeg = await plain.clone().jpeg().toBuffer();
const png = await plain.clone().png().toBuffer();
const webp = await plain.clone().withMetadata({ orientation: 6 }).webp().toBuffer();
const avif = await plain.clone().avif({ effort: 0 }).toBuffer();
const gif = await plain.clone().gif().toBuffer();
const turnedJpeg = await plain.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer();

/** What came of a header, and how many steps that took. */
function read(bytes: Uint8Array) {
  let steps: HeaderSteps = new CountedSteps("");
  const outcome = (() => {
    try {
      return readPictureHeader(bytes, (format) => {
        steps = new CountedSteps(format);
        return steps;
      });
    } catch (thrown) {
      return thrown as Error;
    }
  })();
  return { outcome, stepCount: steps.partCount + steps.skippedBytes };
}

/** `piece`, again and again, between two parts of a picture. */
function filled(whole: Uint8Array, at: number, { piece, count }: { piece: Buffer; count: number }) {
  const filling = Buffer.alloc(piece.length * count, piece);
  return Buffer.concat([whole.subarray(0, at), filling, whole.subarray(at)]);
}

const fourCc = (name: string) => Buffer.from(name, "latin1");
const uint32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer).swap32();
const emptyPngChunk = Buffer.concat([uint32(0), fourCc("vpAg"), uint32(0)]);
const emptyWebpChunk = Buffer.concat([fourCc("none"), uint32(0)]);
const emptyBox = Buffer.concat([uint32(8), fourCc("free")]);

/** After the header chunk, which is of a fixed length, or where the first segment begins. */
const firstPart = {
  jpeg: 4 + jpeg.readUInt16BE(4),
  png: 33,
  webp: 30,
  avif: avif.readUInt32BE(0),
  gif: 13 + (3 << ((gif.readUInt8(10) & 7) + 1)),
} as const;

/** A directory of that many entries, none of which is asked for. */
function directory(entryCount: number): Buffer {
  const start = Buffer.from("MM\0*\0\0\0\u0008", "latin1");
  const count = Buffer.from([entryCount >> 8, entryCount & 0xff]);
  return Buffer.concat([start, count, Buffer.alloc(12 * entryCount, 1)]);
}

function exifSegment(block: Buffer): Buffer {
  const content = Buffer.concat([fourCc("Exif\0\0"), block]);
  const length = content.length + 2;
  return Buffer.concat([Buffer.from([0xff, 0xe1, length >> 8, length & 0xff]), content]);
}

const segment = (code: number, content: Buffer) =>
  Buffer.concat([
    Buffer.from([0xff, code, (content.length + 2) >> 8, (content.length + 2) & 0xff]),
    content,
  ]);

/** Each is repeated, where its format's header is walked. */
const repeated: readonly (readonly [string, Uint8Array, number, Buffer])[] = [
  ["JPEG fill bytes", jpeg, firstPart.jpeg, Buffer.from([0xff])],
  ["zeros between JPEG segments", jpeg, firstPart.jpeg, Buffer.from([0])],
  ["JPEG zeros after fill bytes", jpeg, firstPart.jpeg, Buffer.from([0xff, 0])],
  ["JPEG restart markers", jpeg, firstPart.jpeg, Buffer.from([0xff, 0xd0])],
  ["JPEG TEM markers", jpeg, firstPart.jpeg, Buffer.from([0xff, 0x01])],
  ["empty JPEG segments", jpeg, firstPart.jpeg, segment(0xe1, Buffer.alloc(0))],
  ["JPEG segments of length 0", jpeg, firstPart.jpeg, Buffer.from([0xff, 0xe5, 0, 0])],
  ["JPEG comments", jpeg, firstPart.jpeg, segment(0xfe, Buffer.from("ab"))],
  ["JPEG Exif segments", jpeg, firstPart.jpeg, exifSegment(directory(5_000))],
  ["empty PNG chunks", png, firstPart.png, emptyPngChunk],
  ["empty WebP chunks", webp, firstPart.webp, emptyWebpChunk],
  ["WebP chunks of zeros", webp, firstPart.webp, Buffer.alloc(8)],
  ["empty AVIF boxes", avif, firstPart.avif, emptyBox],
  ["GIF comments", gif, firstPart.gif, Buffer.from("21fe00", "hex")],
  ["GIF comments of many blocks", gif, firstPart.gif, Buffer.from("21fe01410141014100", "hex")],
];

describe.each(repeated)("%s", (_, whole, at, piece) => {
  const inMegabytes = Math.ceil(4_000_000 / piece.length);

  test("are refused after a bounded number of steps", () => {
    const { outcome, stepCount } = read(filled(whole, at, { piece, count: inMegabytes }));

    expect(stepCount).toBeLessThanOrEqual(maxHeaderParts + maxSkippedBytes + 1);
    // Of long pieces there are few.
    if (inMegabytes < maxHeaderParts) return expect(stepCount).toBeLessThan(maxHeaderParts);
    expect(outcome).toMatchObject({
      reason: "unsupported-media",
      message: expect.stringMatching(/header has more than \d+ /),
      hint: expect.any(String),
    });
  });

  test("are passed over where there are as many as in honest files", () => {
    const { outcome } = read(filled(whole, at, { piece, count: 500 }));

    expect(outcome).toMatchObject({ size: { widthPx: 37, heightPx: 21 } });
  });
});

describe.each([
  ["TIFF", directory(65_535)],
  ["Exif of a PNG", pngWithExif(directory(65_535))],
  ["Exif of a WebP", webpWithExif(directory(65_535))],
  ["properties of an AVIF", avifWithProperties(65_535)],
])("a directory of 65,535 entries in the %s", (_, bytes) => {
  test("is refused after a bounded number of steps", () => {
    const { outcome, stepCount } = read(bytes);

    expect(outcome).toMatchObject({ reason: "unsupported-media" });
    expect(stepCount).toBe(maxHeaderParts + 1);
  });
});

function pngWithExif(block: Buffer): Buffer {
  const chunk = Buffer.concat([uint32(block.length), fourCc("eXIf"), block, uint32(0)]);
  return Buffer.concat([png.subarray(0, firstPart.png), chunk, png.subarray(firstPart.png)]);
}

/** What belongs to which picture, for so many pictures that are not the primary one. */
function avifWithProperties(entryCount: number): Buffer {
  const entry = Buffer.from("ffff00", "hex");
  const content = Buffer.concat([
    uint32(0),
    uint32(entryCount),
    Buffer.alloc(3 * entryCount, entry),
  ]);
  const ipma = Buffer.concat([uint32(content.length + 8), fourCc("ipma"), content]);
  const at = avif.indexOf("iprp") - 4;
  const length = avif.readUInt32BE(at) + ipma.length;
  const bytes = Buffer.concat([avif.subarray(0, at + 8), ipma, avif.subarray(at + 8)]);
  bytes.writeUInt32BE(length, at);
  const meta = avif.indexOf("meta") - 4;
  bytes.writeUInt32BE(avif.readUInt32BE(meta) + ipma.length, meta);
  return bytes;
}

function webpWithExif(block: Buffer): Buffer {
  const length = Buffer.from(Uint32Array.of(block.length).buffer);
  const chunk = Buffer.concat([fourCc("EXIF"), length, block]);
  return Buffer.concat([webp.subarray(0, firstPart.webp), chunk]);
}

test.each([
  ["a profile in 255 segments", segment(0xe2, Buffer.alloc(65_533))],
  ["thumbnails and XMP in full segments", segment(0xe1, Buffer.alloc(65_533, "x"))],
])("a JPEG with %s has its size", (_, piece) => {
  const bytes = filled(turnedJpeg, 2, { piece, count: 255 });

  expect(read(bytes).outcome).toMatchObject({ size: { widthPx: 37 }, orientation: 6 });
});

test("a PNG with thousands of text chunks has its size", () => {
  const bytes = filled(png, firstPart.png, { piece: emptyPngChunk, count: 10_000 });

  expect(read(bytes).outcome).toMatchObject({ size: { widthPx: 37 } });
});

test("the Exif after ten thousand frames of a WebP is found", () => {
  const frames = { piece: emptyWebpChunk, count: 10_000 };

  expect(read(filled(webp, firstPart.webp, frames)).outcome).toMatchObject({ orientation: 6 });
});

test("of two Exif segments the first counts, so that no further one is read", () => {
  const start = turnedJpeg.indexOf(fourCc("Exif")) - 4;
  const exif = turnedJpeg.subarray(start, start + 2 + turnedJpeg.readUInt16BE(start + 2));
  const bytes = filled(turnedJpeg, 2, { piece: exif, count: 500 });

  const { outcome, stepCount } = read(bytes);

  expect(outcome).toMatchObject({ orientation: 6 });
  expect(stepCount).toBeLessThan(600);
});

test("whatever is repeated, no header takes more steps than the limits say", () => {
  const starts = [jpeg, png, webp, avif, directory(3)].map((bytes) => bytes.subarray(0, 40));
  const anyFile = fc
    .tuple(
      fc.constantFrom(...starts, Buffer.from("GIF89a"), Buffer.from("BM")),
      fc.nat({ max: 40 }),
      fc.array(
        fc.oneof(
          fc.constantFrom(...repeated.map(([, , , piece]) => piece)),
          fc.uint8Array({ minLength: 1, maxLength: 40 }),
        ),
        { minLength: 1, maxLength: 4 },
      ),
    )
    .map(([start, length, pieces]) =>
      Buffer.concat([
        start.subarray(0, Math.max(12, length)),
        Buffer.alloc(1_000_000, Buffer.concat(pieces)),
      ]),
    );
  fc.assert(
    fc.property(anyFile, (bytes) => {
      expect(read(bytes).stepCount).toBeLessThanOrEqual(maxHeaderParts + maxSkippedBytes + 1);
    }),
    { numRuns: 200 },
  );
});

const bomb = fileURLToPath(
  new URL("../../../../../shared/cases/public/webp-empty-chunks-32MiB.webp.gz", import.meta.url),
);

test.skipIf(!existsSync(bomb))("32 MiB of empty WebP chunks are not gone through", () => {
  const { outcome, stepCount } = read(gunzipSync(readFileSync(bomb)));

  expect(outcome).toMatchObject({ reason: "unsupported-media" });
  expect(stepCount).toBe(maxHeaderParts + 1);
});

test.each(["JPEG fill bytes", "JPEG comments", "empty PNG chunks", "empty WebP chunks"])(
  "%s are counted one by one",
  (name) => {
    const [, whole, at, piece] = repeated.find(([each]) => each === name) ?? [];
    const count = 50;
    const once = read(
      filled(whole as Uint8Array, at as number, { piece: piece as Buffer, count: 0 }),
    );
    const often = read(
      filled(whole as Uint8Array, at as number, { piece: piece as Buffer, count }),
    );

    expect(often.stepCount - once.stepCount).toBe(count);
  },
);
