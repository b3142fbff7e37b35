import { expect, test } from "vitest";
import { corpusCase, type Disagreement, disagreementsOf } from "./corpus.ts";
import { gifFile } from "./gif-files.ts";
import { type Pixels, scene } from "./pixels.ts";

/** As many as take a few seconds; `npm run corpus` tries thousands. */
const count = 300;

test("every way of reading a picture sees what people see", async () => {
  const found: Disagreement[] = [];
  const kinds = new Set<string>();
  for (let index = 0; index < count; index += 1) {
    const drawn = await corpusCase(1, index);
    kinds.add(drawn.kind.replace(/:.*/, ""));
    found.push(...(await disagreementsOf(drawn, index)));
  }

  expect(found).toEqual([]);
  expect([...kinds].toSorted()).toEqual(["avif", "gif", "jpeg", "png", "tiff", "webp"]);
}, 60_000);

test("a seed and an index give one file", async () => {
  const [one, again] = [await corpusCase(7, 3), await corpusCase(7, 3)];

  expect(one.kind).toBe(again.kind);
  expect(one.bytes.equals(again.bytes)).toBe(true);
});

test.each([
  { of: "size", drawn: scene(9, 8, () => 0.5), seen: scene(8, 9, () => 0), ways: 4 },
  { of: "pixels", drawn: scene(8, 8, () => 0.5), seen: scene(8, 8, () => 0), ways: 3 },
])(
  "another $of than what people see is a disagreement of every way",
  async ({ drawn, seen, ways }) => {
    const found = await disagreementsOf(
      { kind: "gif", bytes: gifOf(drawn), seen, maxDifference: 1, unlike: ["sharp"] },
      0,
    );

    expect(found).toHaveLength(ways);
  },
);

test("a picture that should be refused is a disagreement where it is decoded", async () => {
  const bytes = gifOf(scene(4, 4, () => 0.5));

  const found = await disagreementsOf({ kind: "gif", bytes, maxDifference: 0, unlike: [] }, 0);

  expect(found.map(({ what }) => what)).toEqual([
    "pixels: is not refused",
    "converted: is not refused",
    "as it is: is not refused",
  ]);
});

function gifOf(pixels: Pixels): Buffer {
  return gifFile({
    version: "89a",
    screen: pixels,
    extensions: [],
    frames: [{ leftPx: 0, topPx: 0, pixels, isInterlaced: false, hasOwnPalette: false }],
  });
}
