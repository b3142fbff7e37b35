import { describe, expect, test } from "vitest";
import { exifBlock } from "../../../../test/corpus/exif-block.ts";
import {
  flatJpeg,
  isFrameHeader,
  joinedJpeg,
  jpegSegment,
} from "../../../../test/corpus/jpeg-files.ts";
import { readPictureHeader } from "./picture-header.ts";

const grey = flatJpeg({ widthPx: 8, heightPx: 3, blocks: [[7]] });

/** A JPEG with these before its own segments. */
function after(...before: readonly Buffer[]): Buffer {
  return joinedJpeg({ ...grey, segments: [...before, ...grey.segments] });
}

function exif(orientation: number, type: "SHORT" | "LONG", isLittleEndian: boolean): Buffer {
  const block = exifBlock({ orientation, type, isLittleEndian, otherCount: 1 });
  return jpegSegment(0xe1, Buffer.concat([Buffer.from("Exif\0\0", "latin1"), block]));
}

describe.each(["SHORT", "LONG"] as const)("an orientation as %s", (type) => {
  test.each([true, false])("is read, little-endian: %s", (isLittleEndian) => {
    for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const bytes = after(exif(orientation, type, isLittleEndian));

      expect(readPictureHeader(bytes).orientation).toBe(orientation);
    }
  });

  test.each([0, 9, 255, 65_535])("of %i is none", (orientation) => {
    expect(readPictureHeader(after(exif(orientation, type, false))).orientation).toBe(1);
  });
});

test("an orientation of no values is none", () => {
  const bytes = after(exif(6, "SHORT", true));
  const entry = bytes.indexOf(Buffer.of(0x12, 0x01, 3, 0));
  bytes.writeUInt32LE(0, entry + 4);

  expect(readPictureHeader(bytes).orientation).toBe(1);
});

test.each([
  { orientations: [1, 6], seen: 1 },
  { orientations: [6, 1], seen: 6 },
  { orientations: [3, 8, 6], seen: 3 },
])("of Exif segments with $orientations the first counts", ({ orientations, seen }) => {
  const segments = orientations.map((each) => exif(each, "SHORT", true));

  expect(readPictureHeader(after(...segments)).orientation).toBe(seen);
});

test("Exif between the frame header and the scan counts", () => {
  const segments = [...grey.segments, exif(6, "SHORT", false)];

  expect(readPictureHeader(joinedJpeg({ ...grey, segments })).orientation).toBe(6);
});

test("XMP in a segment of the same kind is passed over", () => {
  const xmp = jpegSegment(0xe1, Buffer.from("http://ns.adobe.com/xap/1.0/\0<x/>", "latin1"));

  expect(readPictureHeader(after(xmp, exif(8, "SHORT", true))).orientation).toBe(8);
});

test.each([
  { name: "zeros", stray: Buffer.alloc(5) },
  { name: "one byte", stray: Buffer.from([0x41]) },
  { name: "0xFF 0x00", stray: Buffer.from("ff00ff00ff00", "hex") },
  { name: "fill bytes", stray: Buffer.from("ffffff", "hex") },
  { name: "a segment without its 0xFF", stray: Buffer.from("e1000441ff00", "hex") },
  { name: "a marker without content", stray: Buffer.from("ffd0ff01", "hex") },
  { name: "a segment longer than it says", stray: Buffer.from("ffe5000341424344", "hex") },
  { name: "a segment that says less than its own length", stray: Buffer.from("ffe50001", "hex") },
])("$name between any two segments are passed over", ({ stray }) => {
  for (let at = 0; at <= grey.segments.length; at += 1) {
    const bytes = joinedJpeg({ ...grey, segments: grey.segments.toSpliced(at, 0, stray) });

    expect(readPictureHeader(bytes).size).toEqual({ widthPx: 8, heightPx: 3 });
  }
});

test("bytes next to the first marker are not what TensorFlow knows a JPEG by", () => {
  expect(readPictureHeader(after(Buffer.alloc(2))).isBaseline).toBe(false);
  expect(readPictureHeader(after(jpegSegment(0xfe, Buffer.alloc(2)))).isBaseline).toBe(true);
});

test.each([
  { name: "a second start", before: Buffer.from("ffd8", "hex") },
  { name: "an early end", before: Buffer.from("ffd9", "hex") },
  { name: "a marker that is reserved", before: jpegSegment(0x4f, Buffer.alloc(4)) },
  { name: "a frame without loss", before: jpegSegment(0xc3, Buffer.alloc(9)) },
  { name: "two frames", before: grey.segments.find(isFrameHeader) ?? Buffer.alloc(0) },
])("$name ends the header, as it ends libjpeg", ({ before }) => {
  expect(() => readPictureHeader(after(before))).toThrow("header has no size");
});

test("what is cut after its frame header has a size, and what is cut before has none", () => {
  const frameAt = grey.segments.findIndex(isFrameHeader);
  const upTo = (count: number) =>
    joinedJpeg({ segments: grey.segments.slice(0, count), scans: Buffer.alloc(0) });

  expect(readPictureHeader(upTo(frameAt + 1)).size).toEqual({ widthPx: 8, heightPx: 3 });
  expect(() => readPictureHeader(upTo(frameAt))).toThrow("is truncated");
});

const adobe = jpegSegment(0xee, Buffer.from("Adobe\0d\0\0\0\0\0", "latin1"));
const cmyk = flatJpeg({ widthPx: 8, heightPx: 8, blocks: [[1, 2, 3, 4]] });

test.each([
  { name: "without Adobe's marker", segments: cmyk.segments, inks: "plain" },
  { name: "with it", segments: [adobe, ...cmyk.segments], inks: "inverted" },
  { name: "with it after the frame header", segments: [...cmyk.segments, adobe], inks: "inverted" },
])("a CMYK JPEG $name stores its inks $inks", ({ segments, inks }) => {
  const header = readPictureHeader(joinedJpeg({ segments, scans: cmyk.scans }));

  expect(header).toMatchObject({ inks, isBaseline: false });
  expect(readPictureHeader(after(adobe)).inks).toBeUndefined();
});
