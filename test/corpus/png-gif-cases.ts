import { deflateSync } from "node:zlib";
import { below, pick, type Random } from "../fuzz/mutate.ts";
import { exifBlock } from "./exif-block.ts";
import { type GifOptions, gifColour, gifExtension, gifFile } from "./gif-files.ts";
import {
  type DrawCase,
  drawBytes,
  drawExif,
  drawOrientation,
  drawSide,
  isDrawn,
  unlikeExif,
} from "./picture-case.ts";
import { type Colour, colourAt, grey, type Pixels, pixelsOf, scene, storedAs } from "./pixels.ts";
import { greySample, type PngOptions, pngChunk, pngFile, pngMark } from "./png-files.ts";

const kinds = ["grey", "rgb", "palette", "grey-alpha", "rgba"] as const;
const depths = {
  grey: [1, 2, 4, 8, 16],
  rgb: [8, 16],
  palette: [1, 2, 4, 8],
  "grey-alpha": [8, 16],
  rgba: [8, 16],
} as const;

function drawPng(random: Random): { readonly seen: Pixels; readonly options: PngOptions } {
  const kind = pick(random, kinds);
  const bitDepth = pick<1 | 2 | 4 | 8 | 16>(random, depths[kind]);
  const drawn = scene(drawSide(random), drawSide(random), random);
  const colourCount = Math.min(64, 2 ** bitDepth);
  const palette = Array.from(
    { length: colourCount },
    (): Colour => [below(random, 256), below(random, 256), below(random, 256)],
  );
  const seen =
    kind === "palette"
      ? pixelsOf(drawn.widthPx, drawn.heightPx, (x, y) => {
          const [red, green] = colourAt(drawn, x, y);
          return palette[(red + green) % colourCount] ?? [0, 0, 0];
        })
      : kind.startsWith("grey")
        ? grey(drawn, bitDepth)
        : drawn;
  return {
    seen,
    options: { kind, bitDepth, palette, isInterlaced: isDrawn(random, 0.4), chunks: [] },
  };
}

const uint32 = (value: number) =>
  Buffer.from([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);

/** Chunks that say how colours are meant, which TensorFlow does not ask. */
const colourChunks: readonly ((random: Random) => Buffer)[] = [
  (random) => pngChunk("gAMA", uint32(pick(random, [10_000, 45_455, 100_000, 220_000]))),
  () =>
    pngChunk(
      "cHRM",
      Buffer.concat([31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000].map(uint32)),
    ),
  (random) => pngChunk("sRGB", Buffer.from([below(random, 4)])),
  (random) => pngChunk("tEXt", Buffer.from(`Comment\0${below(random, 1e6)}`, "latin1")),
  () =>
    pngChunk(
      "iCCP",
      Buffer.concat([Buffer.from("p\0\0", "latin1"), deflateSync(Buffer.alloc(200))]),
    ),
];

const png: DrawCase = (random) => {
  const { seen, options } = drawPng(random);
  const orientation = drawOrientation(random);
  const exif = drawExif(random, orientation);
  const isTurned = isDrawn(random, 0.6);
  let chunks: readonly Buffer[] = isTurned ? [pngChunk("eXIf", exifBlock(exif))] : [];
  for (const chunk of colourChunks) if (isDrawn(random, 0.2)) chunks = [...chunks, chunk(random)];
  const stored = isTurned ? storedAs(seen, orientation) : seen;
  const { kind, bitDepth, isInterlaced } = options;
  return {
    kind: `png: ${kind}, ${bitDepth} bits${isInterlaced ? ", interlaced" : ""}`,
    bytes: pngFile(stored, { ...options, chunks }),
    seen,
    maxDifference: 0.5,
    unlike: unlikeExif(exif),
  };
};

const transparentPng: DrawCase = (random) => {
  const { seen, options } = drawPng(random);
  const { kind, bitDepth, palette } = options;
  if (kind.endsWith("a") || kind === "grey-alpha") return png(random);
  const [red] = colourAt(seen, 0, 0);
  const wide = (level: number) =>
    bitDepth === 16 ? [level, 255 - level] : [0, greySample(level, bitDepth)];
  const content =
    kind === "palette"
      ? palette.map(() => below(random, 256))
      : kind === "grey"
        ? wide(red)
        : colourAt(seen, 0, 0).flatMap(wide);
  // It comes after the palette; this one's writer puts it into the same place otherwise.
  const file = pngFile(seen, options);
  const at = file.indexOf("IDAT") - 4;
  const chunk = pngChunk("tRNS", Buffer.from(content));
  return {
    kind: `png: ${kind} with tRNS`,
    bytes: Buffer.concat([file.subarray(0, at), chunk, file.subarray(at)]),
    seen,
    maxDifference: 0.5,
    unlike: [],
  };
};

const chunkBeforeHeader: DrawCase = (random) => {
  const { seen, options } = drawPng(random);
  const file = pngFile(seen, options);
  const type = pick(random, ["CgBI", "tEXt", "gAMA", "IDOT"]);
  const chunk = pngChunk(type, drawBytes(random, 30));
  return {
    kind: "png: chunk before IHDR",
    bytes: Buffer.concat([pngMark, chunk, file.subarray(pngMark.length)]),
    maxDifference: 0,
    unlike: ["Pillow"],
  };
};

function palettePixels(widthPx: number, heightPx: number, random: Random): Pixels {
  const drawn = scene(widthPx, heightPx, random);
  return pixelsOf(widthPx, heightPx, (x, y) => gifColour(colourAt(drawn, x, y)));
}

/** What the largest of old screens was, and what is larger than any of libnsgif's. */
const knownScreens = [
  [640, 480],
  [640, 512],
  [800, 600],
  [1_024, 768],
  [1_280, 1_024],
  [1_600, 1_200],
  [2_049, 30],
  [30, 2_100],
] as const;

function drawScreen(frame: { readonly right: number; readonly bottom: number }, random: Random) {
  const [widthPx, heightPx] = pick(random, [
    [frame.right, frame.bottom],
    [frame.right + below(random, 50), frame.bottom + below(random, 50)],
    [1 + below(random, frame.right), 1 + below(random, frame.bottom)],
    pick(random, knownScreens),
    pick(random, [
      [0, 0],
      [0, 50],
      [50, 0],
    ] as const),
  ] as const);
  return { widthPx, heightPx };
}

const gifExtensions: readonly ((random: Random) => Buffer)[] = [
  (random) => gifExtension(0xfe, [drawBytes(random, 200), drawBytes(random, 200)]),
  () => gifExtension(0xff, [Buffer.from("NETSCAPE2.0", "latin1"), Buffer.from([1, 0, 0])]),
  () => gifExtension(0xf9, [Buffer.from([0, 5, 0, 0])]),
  () => gifExtension(0xfe, []),
];

const gif: DrawCase = (random) => {
  const pixels = palettePixels(drawSide(random), drawSide(random), random);
  const isOffset = isDrawn(random, 0.5);
  const leftPx = isOffset ? below(random, 30) : 0;
  const topPx = isOffset ? below(random, 30) : 0;
  const reached = { right: leftPx + pixels.widthPx, bottom: topPx + pixels.heightPx };
  const screen = drawScreen(reached, random);
  const hasScreen = screen.widthPx > 0 && screen.heightPx > 0;
  const seenWidth = hasScreen ? Math.max(screen.widthPx, reached.right) : reached.right;
  const seenHeight = hasScreen ? Math.max(screen.heightPx, reached.bottom) : reached.bottom;
  const options: GifOptions = {
    version: pick(random, ["87a", "89a"] as const),
    screen,
    extensions: gifExtensions.filter(() => isDrawn(random, 0.3)).map((make) => make(random)),
    frames: [
      {
        leftPx,
        topPx,
        pixels,
        isInterlaced: isDrawn(random, 0.3),
        hasOwnPalette: isDrawn(random, 0.3),
      },
      ...(isDrawn(random, 0.3)
        ? [
            {
              leftPx: 0,
              topPx: 0,
              pixels: palettePixels(4, 4, random),
              isInterlaced: false,
              hasOwnPalette: false,
            },
          ]
        : []),
    ],
  };
  const isWhole =
    screen.widthPx === pixels.widthPx && screen.heightPx === pixels.heightPx && !isOffset;
  return {
    kind: `gif: ${isWhole ? "frame of its screen's size" : "frame of another size or place"}`,
    bytes: gifFile(options),
    seen: pixelsOf(seenWidth, seenHeight, (x, y) => {
      const isInside = x >= leftPx && x < reached.right && y >= topPx && y < reached.bottom;
      return isInside ? colourAt(pixels, x - leftPx, y - topPx) : [0, 0, 0];
    }),
    maxDifference: 1,
    // libnsgif goes by the frame for some screens; Pillow takes a screen of one side for that side.
    unlike: isWhole
      ? []
      : hasScreen || screen.widthPx === screen.heightPx
        ? ["sharp"]
        : ["sharp", "Pillow"],
  };
};

export const pngCases: readonly DrawCase[] = [png, png, transparentPng, chunkBeforeHeader];
export const gifCases: readonly DrawCase[] = [gif];
