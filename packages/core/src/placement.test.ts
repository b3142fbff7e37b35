import fc from "fast-check";
import { expect, test } from "vitest";
import { type Placement, placementOf } from "./placement.ts";
import type { Resize } from "./preprocessing.ts";

const input = { heightPx: 640, widthPx: 640 };
const letterbox = { kind: "letterbox", ...input, padValue: 114, padding: "both-sides" } as const;

test.each<{
  readonly because: string;
  readonly resize: Resize;
  readonly size: readonly [height: number, width: number];
  readonly placement: readonly [height: number, width: number, top: number, left: number];
}>([
  {
    because: "a wide picture is padded above and below",
    resize: letterbox,
    size: [720, 1_280],
    placement: [360, 640, 140, 0],
  },
  {
    because: "a small one is enlarged",
    resize: letterbox,
    size: [100, 50],
    placement: [640, 320, 0, 160],
  },
  {
    because: "the odd pixel of padding goes to the end",
    resize: letterbox,
    size: [427, 640],
    placement: [427, 640, 106, 0],
  },
  {
    because: "padding may be at the end alone",
    resize: { ...letterbox, padding: "end" },
    size: [720, 1_280],
    placement: [360, 640, 0, 0],
  },
  {
    because: "a thread of a picture keeps a pixel",
    resize: letterbox,
    size: [1, 10_000],
    placement: [1, 640, 319, 0],
  },
  {
    because: "the shorter side is brought to what it should be",
    resize: { kind: "fit", shorterPx: 800, longerPx: 1_333 },
    size: [600, 800],
    placement: [800, 1_067, 0, 0],
  },
  {
    because: "the longer side stops it",
    resize: { kind: "fit", shorterPx: 800, longerPx: 1_333 },
    size: [500, 1_000],
    placement: [667, 1_333, 0, 0],
  },
  {
    because: "what is small enough stays as it is",
    resize: { kind: "fit", longerPx: 1_333 },
    size: [60, 80],
    placement: [60, 80, 0, 0],
  },
  {
    because: "the middle is cut out",
    resize: { kind: "shorter-side", px: 256, crop: { heightPx: 224, widthPx: 224 } },
    size: [256, 512],
    placement: [256, 512, -16, -144],
  },
])("$because", ({ resize, size: [heightPx, widthPx], placement }) => {
  const { resized, topPx, leftPx } = placementOf(resize, { heightPx, widthPx });

  expect([resized.heightPx, resized.widthPx, topPx, leftPx]).toEqual(placement);
});

test("a letterboxed picture lies within the input, and touches two of its edges", () => {
  const side = fc.integer({ min: 1, max: 5_000 });
  const padding = fc.constantFrom("both-sides" as const, "end" as const);
  const fits = (whole: number, part: number, from: number) => from >= 0 && from + part <= whole;
  fc.assert(
    fc.property(side, side, side, side, padding, (heightPx, widthPx, height, width, each) => {
      const resize = { kind: "letterbox", heightPx, widthPx, padValue: 0, padding: each } as const;
      const placed: Placement = placementOf(resize, { heightPx: height, widthPx: width });
      const { resized, topPx, leftPx } = placed;
      expect(fits(heightPx, resized.heightPx, topPx)).toBe(true);
      expect(fits(widthPx, resized.widthPx, leftPx)).toBe(true);
      expect(resized.heightPx === heightPx || resized.widthPx === widthPx).toBe(true);
    }),
  );
});
