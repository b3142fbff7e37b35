import sharp from "sharp";
import { expect, test } from "vitest";
import {
  type AvifOptions,
  avifFile,
  box,
  type CodedItem,
  clap,
  codedItem,
  imir,
  irot,
} from "../../../../test/corpus/avif-files.ts";
import { readPictureHeader } from "./picture-header.ts";

const background = "#abc";
const item: CodedItem = codedItem(
  await sharp({ create: { width: 40, height: 24, channels: 3, background } })
    .avif({ effort: 0 })
    .toBuffer(),
);
const whole = { widthPx: 40, heightPx: 24 };

function avif(transformations: readonly Buffer[], more: Partial<AvifOptions> = {}): Buffer {
  const items = [{ ...item, transformations }];
  return avifFile({ items, primaryIndex: 0, hasWideNumbers: false, boxes: [], ...more });
}

const cut = clap({ ...whole, area: { leftPx: 3, topPx: 2, widthPx: 10, heightPx: 20 } });
/** 21/2 by 19/2 pixels, which is 11 by 10. */
const halves = box("clap", Buffer.from(Uint32Array.of(21, 2, 19, 2, 0, 1, 0, 1).buffer).swap32());
const noSize = box("clap", Buffer.from(Uint32Array.of(21, 0, 19, 2, 0, 1, 0, 1).buffer).swap32());

test.each([
  { name: "nothing", properties: [], size: [40, 24] },
  { name: "a turn by no quarter", properties: [irot(0)], size: [40, 24] },
  { name: "a quarter turn to the left", properties: [irot(1)], size: [24, 40] },
  { name: "a half turn", properties: [irot(2)], size: [40, 24] },
  { name: "a quarter turn to the right", properties: [irot(3)], size: [24, 40] },
  { name: "a mirror", properties: [imir(0)], size: [40, 24] },
  { name: "a turn and a mirror", properties: [irot(1), imir(1)], size: [24, 40] },
  { name: "a crop", properties: [cut], size: [10, 20] },
  { name: "a crop and a turn", properties: [cut, irot(1)], size: [20, 10] },
  { name: "a turn and a crop", properties: [irot(1), cut], size: [10, 20] },
  { name: "two turns", properties: [irot(1), irot(1)], size: [40, 24] },
  { name: "a crop by halves", properties: [halves], size: [11, 10] },
])("an AVIF with $name is $size", ({ properties, size: [widthPx, heightPx] }) => {
  const header = readPictureHeader(avif(properties));

  expect(header.size).toEqual({ widthPx, heightPx });
  expect(header.codedSize).toEqual(whole);
  expect(header.isBaseline).toBe(properties.length === 0);
});

test("a crop to nothing is no picture", () => {
  expect(() => readPictureHeader(avif([noSize]))).toThrow("header has no size");
});

test.each([true, false])(
  "the primary one of several pictures counts, wide numbers: %s",
  (isWide) => {
    const items = [
      { ...item, widthPx: 4_000, heightPx: 3_000, transformations: [] },
      { ...item, transformations: [irot(1)] },
      { ...item, widthPx: 7, heightPx: 7, transformations: [] },
    ];

    const header = readPictureHeader(avif([], { items, primaryIndex: 1, hasWideNumbers: isWide }));

    expect(header.size).toEqual({ widthPx: 24, heightPx: 40 });
    // What has to fit within the limits is the largest that a decoder could come by.
    expect(header.codedSize).toEqual({ widthPx: 4_000, heightPx: 3_000 });
  },
);

test("an animation is not what every decoder reads", () => {
  expect(readPictureHeader(avif([], { brand: "avis" }))).toMatchObject({
    format: "avif",
    size: whole,
    isBaseline: false,
  });
});

test("a HEIC is sent as it is, in the size that it is shown in", () => {
  const heic = avif([irot(1)]);
  heic.write("heicXXXXheicmif1miaf", 8, "latin1");

  expect(readPictureHeader(heic)).toMatchObject({
    format: "heic",
    size: { widthPx: 24, heightPx: 40 },
    isBaseline: true,
  });
});

test("a size that no property gives is left to the decoder", () => {
  const bytes = avif([]);
  bytes.write("none", bytes.indexOf("ipma"), "latin1");

  const header = readPictureHeader(bytes);

  expect(header.size).toBeUndefined();
  // Nor is it known what the file is turned by, which its reader may not apply.
  expect(header.isBaseline).toBe(false);
});

test.each([
  { name: "within the file", bytes: 24n, size: { widthPx: 24, heightPx: 40 } },
  { name: "shorter than itself", bytes: 15n, size: undefined },
  { name: "longer than the file", bytes: 2n ** 60n, size: undefined },
])("a box of 64 bits whose length is $name is passed over, or the last", ({ bytes, size }) => {
  const long = Buffer.alloc(24);
  long.writeUInt32BE(1);
  long.write("free", 4, "latin1");
  long.writeBigUInt64BE(bytes, 8);

  expect(readPictureHeader(avif([irot(1)], { boxes: [long] })).size).toEqual(size);
});
