import { expect, test } from "vitest";
import { readPictureHeader } from "./picture-header.ts";

/** The header of a file, one of its picture with these numbers, and a few pixels. */
function bmp(headerBytes: number, numbers: readonly number[], numberBytes: 2 | 4): Buffer {
  const bytes = Buffer.alloc(14 + headerBytes + 24);
  bytes.write("BM", "latin1");
  bytes.writeUInt32LE(headerBytes, 14);
  numbers.forEach((each, index) => {
    bytes.writeIntLE(each, 18 + index * numberBytes, numberBytes);
  });
  return bytes;
}

test.each([
  { name: "OS/2", bytes: bmp(12, [4, 2, 1, 24], 2) },
  { name: "OS/2, version 2", bytes: bmp(64, [4, 2], 4) },
  { name: "Windows", bytes: bmp(40, [4, 2], 4) },
  { name: "Windows, top row first", bytes: bmp(40, [4, -2], 4) },
  { name: "Windows with colour spaces", bytes: bmp(124, [4, 2], 4) },
])("a BMP of $name is 4 × 2", ({ bytes }) => {
  expect(readPictureHeader(bytes)).toMatchObject({
    format: "bmp",
    size: { widthPx: 4, heightPx: 2 },
  });
});

test.each([
  { name: "a text", bytes: Buffer.from("BMW makes cars, and this is a text about them") },
  { name: "a negative width", bytes: bmp(40, [-4, 2], 4) },
  { name: "a header of another length", bytes: bmp(41, [4, 2], 4) },
])("$name is no BMP", ({ bytes }) => {
  expect(() => readPictureHeader(bytes)).toThrow("the bmp picture's header has no size");
});
