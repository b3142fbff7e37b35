import { expect, test } from "vitest";
import { gifExtension, gifFile } from "../../../../test/corpus/gif-files.ts";
import { scene } from "../../../../test/corpus/pixels.ts";
import { CountedSteps, readPictureHeader } from "./picture-header.ts";

interface Drawn {
  readonly screen: readonly [widthPx: number, heightPx: number];
  readonly at?: readonly [leftPx: number, topPx: number];
  readonly extensions?: readonly Buffer[];
}

/** A GIF whose frame is 30×20. */
function gif({ screen, at = [0, 0], extensions = [] }: Drawn): Buffer {
  return gifFile({
    version: "89a",
    screen: { widthPx: screen[0], heightPx: screen[1] },
    extensions,
    frames: [
      {
        leftPx: at[0],
        topPx: at[1],
        pixels: scene(30, 20, () => 0),
        isInterlaced: false,
        hasOwnPalette: false,
      },
    ],
  });
}

const sized = (widthPx: number, heightPx: number) => ({ widthPx, heightPx });

test.each([
  { because: "the frame fills its screen", screen: [30, 20], size: sized(30, 20) },
  { because: "the screen is larger", screen: [50, 60], size: sized(50, 60) },
  { because: "the frame is offset", screen: [50, 60], at: [5, 6], size: sized(50, 60) },
  { because: "the frame is larger", screen: [10, 60], size: sized(30, 60) },
  { because: "the frame reaches beyond", screen: [50, 60], at: [40, 55], size: sized(70, 75) },
  { because: "there is no screen", screen: [0, 0], at: [5, 6], size: sized(35, 26) },
  { because: "the screen has one side", screen: [0, 60], size: sized(30, 20) },
  { because: "the screen is that of a machine", screen: [640, 480], size: sized(640, 480) },
  { because: "the screen is very large", screen: [2_049, 9], size: sized(2_049, 20) },
] satisfies (Drawn & { readonly because: string; readonly size: object })[])(
  "a GIF has the size $size: $because",
  ({ size, ...drawn }) => {
    expect(readPictureHeader(gif(drawn)).size).toEqual(size);
  },
);

test.each([
  { screen: [30, 20], isBaseline: true },
  { screen: [31, 20], isBaseline: false },
  { screen: [29, 20], isBaseline: false },
  { screen: [30, 20], at: [1, 0], isBaseline: false },
  { screen: [0, 0], isBaseline: false },
] satisfies (Drawn & { readonly isBaseline: boolean })[])(
  "a frame on a screen of $screen is what every decoder reads: $isBaseline",
  ({ isBaseline, ...drawn }) => {
    expect(readPictureHeader(gif(drawn)).isBaseline).toBe(isBaseline);
  },
);

test("the header states what the decoder makes of an untrusted screen beside its size", () => {
  expect(readPictureHeader(gif({ screen: [800, 600], at: [3, 4] })).codedSize).toEqual(
    sized(33, 24),
  );
  expect(readPictureHeader(gif({ screen: [801, 600], at: [3, 4] })).codedSize).toBeUndefined();
});

test("extensions before the frame are passed over, block by block", () => {
  const extensions = [
    gifExtension(0xfe, [Buffer.alloc(255, ","), Buffer.alloc(3, ",")]),
    gifExtension(0xfe, []),
    gifExtension(0xff, [Buffer.from("NETSCAPE2.0"), Buffer.from([1, 0, 0])]),
  ];
  const steps = new CountedSteps("gif");

  const header = readPictureHeader(gif({ screen: [30, 20], extensions }), () => steps);

  expect(header.size).toEqual(sized(30, 20));
  // Three extensions, and after the first block of the last one what else they hold.
  expect(steps.partCount).toBe(3 + 2 + 1);
});

test.each([
  { name: "no frame", bytes: gif({ screen: [30, 20] }).subarray(0, 781), end: Buffer.from(";") },
  { name: "other data", bytes: gif({ screen: [30, 20] }).subarray(0, 781), end: Buffer.from("x") },
])("a GIF with $name is refused", ({ bytes, end }) => {
  expect(() => readPictureHeader(Buffer.concat([bytes, end]))).toThrow("header has no size");
});
