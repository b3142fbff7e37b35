import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { expect, test } from "vitest";

const limits = { maxPixels: 25_000_000 };

// Made before the decoder is loaded, which blocks every loader but those for pictures of callers.
const halves = sharp({ create: { width: 16, height: 8, channels: 3, background: "#ff0000" } });
const blue = await sharp({ create: { width: 16, height: 4, channels: 3, background: "#0000ff" } })
  .png()
  .toBuffer();
const redOverBlue = await halves
  .composite([{ input: blue, top: 4, left: 0 }])
  .png()
  .toBuffer();
const large = await sharp({
  create: { width: 1_200, height: 900, channels: 3, background: "#888" },
})
  .webp()
  .toBuffer();
const tiff = await sharp(redOverBlue).tiff().toBuffer();
const turned = await Promise.all(
  [1, 2, 3, 4, 5, 6, 7, 8].map(async (orientation) => ({
    orientation,
    bytes: await sharp(redOverBlue).withMetadata({ orientation }).png().toBuffer(),
  })),
);
const { convertPicture } = await import("./convert-picture.ts");
const { decodePicture } = await import("./decode-picture.ts");
const { needsNoConversion, readPictureHeader } = await import("./header/picture-header.ts");

/** Colours of the corners: top left, top right, bottom left, bottom right. */
async function corners(bytes: Uint8Array): Promise<string> {
  const { pixels, widthPx, heightPx } = await decodePicture(bytes, limits);
  const at = (x: number, y: number) => ((pixels[(y * widthPx + x) * 3] ?? 0) > 128 ? "r" : "b");
  const right = widthPx - 1;
  const bottom = heightPx - 1;
  return at(0, 0) + at(right, 0) + at(0, bottom) + at(right, bottom);
}

test.each(turned)("orientation $orientation comes out upright", async ({ orientation, bytes }) => {
  const { bytes: converted, size } = await convertPicture(bytes, limits);

  const seen = ["rrbb", "rrbb", "bbrr", "bbrr", "rbrb", "brbr", "brbr", "rbrb"][orientation - 1];
  expect(await corners(converted)).toBe(seen);
  expect(size).toEqual(
    orientation >= 5 ? { widthPx: 8, heightPx: 16 } : { widthPx: 16, heightPx: 8 },
  );
  expect(readPictureHeader(converted)).toMatchObject({ format: "png", orientation: 1, size });
});

test("a large picture becomes a JPEG", async () => {
  const { bytes, size } = await convertPicture(large, limits);

  expect(readPictureHeader(bytes)).toMatchObject({ format: "jpeg", isBaseline: true, size });
});

test("a TIFF is decoded only where that is asked for", async () => {
  await expect(convertPicture(tiff, limits)).rejects.toMatchObject({ reason: "unsupported-media" });

  const { size } = await convertPicture(tiff, { ...limits, additionalFormats: ["tiff"] });
  expect(size).toEqual({ widthPx: 16, heightPx: 8 });
});

test("what every decoder reads as people see it need not be converted", () => {
  const formats = new Set(["png"] as const);
  const header = { format: "png", orientation: 1, isBaseline: true } as const;

  expect(needsNoConversion(header, formats)).toBe(true);
  expect(needsNoConversion({ ...header, orientation: 6 }, formats)).toBe(false);
  expect(needsNoConversion({ ...header, isBaseline: false }, formats)).toBe(false);
  expect(needsNoConversion({ ...header, format: "webp" }, formats)).toBe(false);
});

const folder = fileURLToPath(new URL("../../../../shared/data/images/", import.meta.url));
const isHere = existsSync(folder);

test.skipIf(isHere)("odd pictures are skipped: their folder is not here", () => {});

test
  .runIf(isHere)
  .each(["cmyk.jpg", "animated.gif", "animated.webp", "photo.webp", "pitm.avif", "gray.jpg"])(
  "%s becomes a picture that every model reads",
  async (name) => {
    const { bytes } = await convertPicture(readFileSync(folder + name), limits);

    expect(needsNoConversion(readPictureHeader(bytes), new Set(["jpeg", "png"]))).toBe(true);
  },
);

test.runIf(isHere).each(["truncated.jpg", "truncated.png", "corrupt-header.jpg"])(
  "%s is refused",
  async (name) => {
    await expect(convertPicture(readFileSync(folder + name), limits)).rejects.toMatchObject({
      reason: "unsupported-media",
    });
  },
);
