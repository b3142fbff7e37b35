import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Tensor } from "@tensorgate/core";
import { afterAll, describe, expect, test } from "vitest";
import { storedBlock, tableOf, withTrailer, writeBundle } from "../testing/index.ts";
import { openBundle } from "./bundle.ts";
import { crc32c } from "./crc32c.ts";
import { unsnap } from "./snappy.ts";
import { readTable } from "./sorted-table.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-checkpoint-"));
afterAll(() => rmSync(folder, { recursive: true }));

const text = (value: string) => new TextEncoder().encode(value);
const limits = { maxBlockBytes: 10_000, maxEntries: 100 };

// The check value of the catalogue of CRCs, and RFC 3720's examples.
test.each([
  { bytes: text("123456789"), sum: 0xe306_9283 },
  { bytes: new Uint8Array(32), sum: 0x8a91_36aa },
  { bytes: new Uint8Array(32).fill(0xff), sum: 0x62a8_ab43 },
  { bytes: new Uint8Array(), sum: 0 },
])("the CRC-32C is $sum", ({ bytes, sum }) => {
  expect(crc32c(bytes)).toBe(sum);
});

describe("Snappy", () => {
  test("literals and copies of all lengths", () => {
    // "abab…": a literal of two bytes, then a copy of eight that reaches into itself, then one by a 2-byte offset.
    const block = Uint8Array.of(
      12,
      (2 - 1) << 2,
      97,
      98,
      ((8 - 4) << 2) | 1,
      2,
      (1 << 2) | 2,
      2,
      0,
    );

    expect(new TextDecoder().decode(unsnap(block, 100))).toBe("abababababab");
  });

  test.each([
    { name: "more than is allowed", block: [200, 1, 0, 97] },
    { name: "a copy from before the start", block: [4, 0, 97, 1, 9] },
    { name: "a literal that is cut short", block: [9, 8 << 2, 97] },
    { name: "less than it says", block: [9, 0, 97] },
    { name: "a length without an end", block: [255, 255, 255, 255, 255, 255] },
  ])("$name is refused", ({ block }) => {
    expect(() => unsnap(Uint8Array.from(block), 100)).toThrow(/Snappy/);
  });
});

describe("tables", () => {
  const block = storedBlock([
    ["a", text("one")],
    ["b", text("two")],
  ]);

  test("entries of several blocks, compressed or not, are read in order", () => {
    const inner = storedBlock([["c", text("three")]]).subarray(0, -5);
    const compressed = Uint8Array.from([inner.byteLength, (inner.byteLength - 1) << 2, ...inner]);

    const entries = readTable(tableOf([block, withTrailer(compressed, 1)]), limits);

    expect(entries.map(({ key, value }) => [key, new TextDecoder().decode(value)])).toEqual([
      ["a", "one"],
      ["b", "two"],
      ["c", "three"],
    ]);
  });

  test.each([
    { name: "no table", file: text("nothing"), error: "not a table" },
    {
      name: "a flipped bit",
      file: tableOf([block]).map((byte, at) => (at === 4 ? byte ^ 1 : byte)),
      error: "wrong checksum",
    },
    {
      name: "an unknown compression",
      file: tableOf([withTrailer(text("x"), 4)]),
      error: "unknown compression 4",
    },
  ])("$name is refused", ({ file, error }) => {
    expect(() => readTable(file, limits)).toThrow(error);
  });

  test("more entries or bytes than the limits are refused", () => {
    expect(() => readTable(tableOf([block]), { ...limits, maxEntries: 1 })).toThrow("more than 1");
    expect(() => readTable(tableOf([block]), { ...limits, maxBlockBytes: 20 })).toThrow("bytes");
  });
});

describe("bundles", () => {
  const written = (name: string) => {
    const prefix = join(folder, name, "variables", "variables");
    writeBundle(prefix, new Map([["w", float32Tensor([2], Float32Array.of(1, 2))]]));
    return { prefix, data: `${prefix}.data-00000-of-00001` };
  };

  test("a tensor is read by its key", () => {
    const bundle = openBundle(written("good").prefix, 100);

    expect(bundle.read("w")).toEqual(float32Tensor([2], Float32Array.of(1, 2)));
    expect(bundle.read("nothing")).toBeUndefined();
    expect(bundle.read("")).toBeUndefined();
  });

  test.each([
    { name: "wrong", change: (bytes: Buffer) => bytes.fill(1, 0, 1), error: "a wrong checksum" },
    { name: "short", change: (bytes: Buffer) => bytes.subarray(1), error: "the file is cut short" },
  ])("values that are $name are refused", ({ name, change, error }) => {
    const { prefix, data } = written(name);
    writeFileSync(data, change(readFileSync(data)));

    expect(() => openBundle(prefix, 100).read("w")).toThrow(error);
  });

  test("values are read up to the limit, each time they are asked for", () => {
    const bundle = openBundle(written("large").prefix, 15);

    expect(bundle.read("w")).toBeDefined();
    expect(() => bundle.read("w")).toThrow("variables of more than 15 bytes");
  });

  test("files outside of the folder are not read", () => {
    const { prefix, data } = written("linked");
    const secret = join(folder, "secret");
    writeFileSync(secret, "12345678");
    rmSync(data);
    symlinkSync(secret, data);

    expect(() => openBundle(prefix, 100).read("w")).toThrow("links to a file outside of");
  });

  test("a missing index is named", () => {
    mkdirSync(join(folder, "none"));

    expect(() => openBundle(join(folder, "none", "variables", "variables"), 100)).toThrow(
      "variables.index",
    );
  });
});
