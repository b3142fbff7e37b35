import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { expect, test } from "vitest";
import { tiffFile } from "../../../test/corpus/tiff-files.ts";

const limits = { maxPixels: 1_000_000 };
const make = (channels: 3 | 4, background: string) =>
  sharp({ create: { width: 8, height: 6, channels, background } });

// Made before the decoder is loaded, which blocks every loader but those for pictures of callers.
const red = await make(3, "#ff0000").png().toBuffer();
const clear = await make(4, "#00ff0080").png().toBuffer();
const grey = await make(3, "#777777").toColourspace("b-w").jpeg().toBuffer();
const deep = await make(3, "#123456").toColourspace("rgb16").png().toBuffer();
const { decodePicture } = await import("./decode-picture.ts");
const { encodePixels } = await import("./open-picture.ts");

test.each([
  { name: "plain", bytes: red, pixel: [255, 0, 0] },
  { name: "half transparent", bytes: clear, pixel: [0, 255, 0] },
  { name: "grey", bytes: grey, pixel: [119, 119, 119] },
  { name: "16 bits deep", bytes: deep, pixel: [18, 52, 86] },
])("a $name picture becomes three channels of 8 bits", async ({ bytes, pixel }) => {
  const { widthPx, heightPx, pixels } = await decodePicture(bytes, limits);

  expect([widthPx, heightPx, pixels.length]).toEqual([8, 6, 8 * 6 * 3]);
  expect([...pixels.subarray(0, 3)]).toEqual(pixel);
});

test.each([true, false])("inks of a TIFF are mixed, little-endian: %s", async (isLittleEndian) => {
  const data = Buffer.from([...[255, 0, 0, 0], ...[200, 100, 50, 60]]);
  const stored = { widthPx: 2, heightPx: 1, data };
  const options = { orientation: 1, isLittleEndian, type: "SHORT", hasInks: true } as const;

  const { pixels } = await decodePicture(tiffFile(stored, options), {
    ...limits,
    additionalFormats: ["tiff"],
  });

  expect([...pixels]).toEqual([...[0, 255, 255], ...[42, 119, 157]]);
});

test.each([
  { widthPx: 2, heightPx: 3 },
  { widthPx: 3, heightPx: 2 },
])("pixels of another size than the header says, $widthPx×$heightPx, are refused", async (size) => {
  const pixels = sharp({ create: { width: 3, height: 3, channels: 3, background: "red" } });
  const picture = { format: "png", size, pixels } as const;

  await expect(encodePixels(picture, (each) => each.png())).rejects.toThrow(
    expect.objectContaining({
      reason: "unsupported-media",
      cause: new Error(`its header says ${size.widthPx}×${size.heightPx}, its pixels 3×3`),
    }),
  );
});

test("a picture over the limit is refused before it is decoded", async () => {
  await expect(decodePicture(red, { maxPixels: 47 })).rejects.toMatchObject({
    reason: "too-large",
  });
});

test.each([
  { name: "text", bytes: Buffer.from("no picture at all") },
  { name: "an SVG", bytes: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>') },
  { name: "a cut PNG", bytes: red.subarray(0, red.length - 20) },
])("$name is refused", async ({ bytes }) => {
  await expect(decodePicture(bytes, limits)).rejects.toMatchObject({
    reason: "unsupported-media",
  });
});

const folder = fileURLToPath(new URL("../../../../shared/data/images/", import.meta.url));
const isHere = existsSync(folder);

test.skipIf(isHere)("odd pictures are skipped: their folder is not here", () => {});

test.runIf(isHere).each(["cmyk.jpg", "animated.gif", "photo.webp", "pitm.avif", "16-bit.png"])(
  "%s is decoded",
  async (name) => {
    const decoded = await decodePicture(readFileSync(folder + name), { maxPixels: 25_000_000 });

    expect(decoded.pixels.length).toBe(decoded.widthPx * decoded.heightPx * 3);
  },
);

test
  .runIf(isHere)
  .each(["8bit.tiff", "circle.svg", "truncated.jpg", "truncated.png", "corrupt-header.jpg"])(
  "%s is refused",
  async (name) => {
    const decoding = decodePicture(readFileSync(folder + name), { maxPixels: 25_000_000 });

    await expect(decoding).rejects.toMatchObject({ reason: "unsupported-media" });
  },
);
