import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ScoringError } from "@tensorgate/core";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { assertPictureWithinLimits, orientedSize, readPictureHeader } from "./picture-header.ts";

const blank = sharp({ create: { width: 37, height: 21, channels: 3, background: "#abc" } });
const encoded = {
  jpeg: await blank.clone().jpeg().toBuffer(),
  png: await blank.clone().png().toBuffer(),
  gif: await blank.clone().gif().toBuffer(),
  webp: await blank.clone().webp().toBuffer(),
  avif: await blank.clone().avif({ effort: 0 }).toBuffer(),
  tiff: await blank.clone().tiff().toBuffer(),
} as const;
const lossless = await blank.clone().webp({ lossless: true }).toBuffer();
const withAlpha = await blank.clone().ensureAlpha(0.5).webp().toBuffer();

describe.each(Object.entries(encoded))("a %s", (format, bytes) => {
  test("tells its format and size", () => {
    expect(readPictureHeader(bytes)).toMatchObject({
      format,
      size: { widthPx: 37, heightPx: 21 },
      orientation: 1,
      isBaseline: true,
    });
  });

  test("cut anywhere is a header or a clear error", () => {
    for (let length = 0; length < Math.min(bytes.length, 700); length += 1) {
      try {
        readPictureHeader(bytes.subarray(0, length));
      } catch (thrown) {
        expect(thrown).toMatchObject({ reason: "unsupported-media" });
      }
    }
  });
});

test.each([lossless, withAlpha])("every kind of WebP tells its size", (bytes) => {
  expect(readPictureHeader(bytes).size).toEqual({ widthPx: 37, heightPx: 21 });
});

describe.each([1, 2, 3, 4, 5, 6, 7, 8])("Exif orientation %i", (orientation) => {
  test.each(["jpeg", "png", "webp"] as const)("is read from a %s", async (format) => {
    const bytes = await blank.clone().withMetadata({ orientation }).toFormat(format).toBuffer();
    const header = readPictureHeader(bytes);

    expect(header.orientation).toBe(orientation);
    expect(header.size && orientedSize(header.size, orientation)).toEqual(
      orientation >= 5 ? { widthPx: 21, heightPx: 37 } : { widthPx: 37, heightPx: 21 },
    );
  });
});

test("a CMYK JPEG is not what every decoder reads", async () => {
  const bytes = await blank.clone().toColourspace("cmyk").jpeg().toBuffer();

  expect(readPictureHeader(bytes).isBaseline).toBe(false);
});

test("an animated WebP is not what every decoder reads", async () => {
  const frames = Buffer.concat([Buffer.alloc(8 * 8 * 3, 9), Buffer.alloc(8 * 8 * 3, 200)]);
  const raw = { width: 8, height: 16, channels: 3, pageHeight: 8 } as const;
  const bytes = await sharp(frames, { raw, animated: true }).webp().toBuffer();

  expect(readPictureHeader(bytes)).toMatchObject({
    size: { widthPx: 8, heightPx: 8 },
    isBaseline: false,
  });
});

test.each(["CgBI", "tEXt", "IDAT"])("a PNG that begins with %s is refused", (type) => {
  const chunk = Buffer.from(`\0\0\0\u0004${type}\u0050\0\u0020\u0006crc.`, "latin1");
  const bytes = Buffer.concat([encoded.png.subarray(0, 8), chunk, encoded.png.subarray(8)]);

  expect(() => readPictureHeader(bytes)).toThrow("does not begin with an IHDR chunk");
});

test("a picture whose coded size is over the limit is refused, small as it is shown", () => {
  const header = {
    size: { widthPx: 10, heightPx: 10 },
    codedSize: { widthPx: 10_000, heightPx: 10_000 },
  };

  expect(() => assertPictureWithinLimits(header, { maxPixels: 25_000_000 })).toThrow("10000×10000");
});

test("random bytes, also after a picture's first ones, never crash", () => {
  const starts = [...Object.values(encoded), lossless].map((bytes) => bytes.subarray(0, 16));
  const anyBytes = fc
    .tuple(fc.constantFrom(new Uint8Array(), ...starts), fc.uint8Array({ maxLength: 300 }))
    .map((parts) => Buffer.concat(parts));
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      try {
        readPictureHeader(bytes);
      } catch (thrown) {
        expect(ScoringError.is(thrown)).toBe(true);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("a picture over the limit is reported with both sizes", () => {
  const header = {
    format: "png",
    size: { widthPx: 40_000, heightPx: 30_000 },
    orientation: 1,
    isBaseline: true,
  } as const;

  expect(() => assertPictureWithinLimits(header, { maxPixels: 25_000_000 })).toThrow(
    "40000×30000 pixels; the limit is 25 megapixels",
  );
});

test.each([
  { widthPx: 1, heightPx: 16_385, limits: { maxPixels: 1e9 } },
  { widthPx: 16_385, heightPx: 1, limits: { maxPixels: 1e9 } },
  { widthPx: 101, heightPx: 10, limits: { maxPixels: 1e9, maxSidePx: 100 } },
])("a side of $widthPx×$heightPx is too long, few pixels as there are", (each) => {
  const { limits, ...size } = each;
  const header = { format: "png", size, orientation: 1, isBaseline: true } as const;

  expect(() => assertPictureWithinLimits(header, limits)).toThrow(
    `the limit is ${limits.maxSidePx ?? 16_384} pixels a side`,
  );
  expect(() => assertPictureWithinLimits(header, { ...limits, maxSidePx: 16_385 })).not.toThrow();
});

test.each([
  { name: "a progressive JPEG", bytes: await blank.clone().jpeg({ progressive: true }).toBuffer() },
  { name: "an interlaced PNG", bytes: await blank.clone().png({ progressive: true }).toBuffer() },
])("$name is told as one of several passes", ({ bytes }) => {
  expect(readPictureHeader(bytes).isProgressive).toBe(true);
});

const folder = fileURLToPath(new URL("../../../../shared/data/images", import.meta.url));
const isHere = existsSync(folder);
const files = isHere
  ? readdirSync(folder).filter((name) => /\.(jpe?g|png|gif|webp|avif|tiff)$/.test(name))
  : [];

test.skipIf(isHere)("real pictures are skipped: their folder is not here", () => {});

test.each(files.filter((name) => !/truncated|corrupt/.test(name)))(
  "%s has the size that sharp says",
  async (name) => {
    const bytes = readFileSync(`${folder}/${name}`);
    const { width, height } = await sharp(bytes).metadata();

    expect(readPictureHeader(bytes).size).toEqual({ widthPx: width, heightPx: height });
  },
);
