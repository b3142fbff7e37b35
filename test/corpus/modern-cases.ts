import { below, pick, type Random } from "../fuzz/mutate.ts";
import {
  type AvifItem,
  avifFile,
  box,
  type CodedItem,
  clap,
  codedItem,
  imir,
  irot,
} from "./avif-files.ts";
import { exifBlock } from "./exif-block.ts";
import {
  coderOf,
  type DrawCase,
  drawBytes,
  drawCodedSide,
  drawExif,
  drawOrientation,
  isDrawn,
  unlikeExif,
} from "./picture-case.ts";
import {
  cropped,
  flipped,
  mirrored,
  mixed,
  type Pixels,
  pixelsOf,
  scene,
  shownFrom,
  storedAs,
  turnedLeft,
} from "./pixels.ts";
import { tiffFile } from "./tiff-files.ts";
import { codedFrame, extendedWebp, webpChunk } from "./webp-files.ts";

async function coded(pixels: Pixels, random: Random) {
  const file = await coderOf(pixels)
    .webp(isDrawn(random, 0.5) ? { lossless: true } : { quality: 95 })
    .toBuffer();
  return { file, frame: codedFrame(file, pixels.widthPx, pixels.heightPx) };
}

const webpDifference = 12;

const webp: DrawCase = async (random) => {
  const seen = scene(drawCodedSide(random), drawCodedSide(random), random);
  const orientation = drawOrientation(random);
  const isTurned = isDrawn(random, 0.8);
  const stored = isTurned ? storedAs(seen, orientation) : seen;
  const { file, frame } = await coded(stored, random);
  const others = Array.from({ length: below(random, 4) }, () =>
    webpChunk(pick(random, ["none", "XMP ", "abcd"]), drawBytes(random, 30)),
  );
  const exif = drawExif(random, orientation);
  const mark = Buffer.from(isDrawn(random, 0.5) ? "Exif\0\0" : "", "latin1");
  const bytes = isTurned
    ? extendedWebp({ canvas: stored, exif: Buffer.concat([mark, exifBlock(exif)]), others, frame })
    : file;
  return {
    kind: isTurned ? "webp: Exif" : "webp: plain",
    bytes,
    seen,
    maxDifference: webpDifference,
    unlike: unlikeExif(exif),
  };
};

const animatedWebp: DrawCase = async (random) => {
  const pixels = scene(drawCodedSide(random), drawCodedSide(random), random);
  const { frame } = await coded(pixels, random);
  const isOffset = isDrawn(random, 0.5);
  const offset = isOffset
    ? { leftPx: 2 * below(random, 10), topPx: 2 * below(random, 10) }
    : { leftPx: 0, topPx: 0 };
  const canvas = isOffset
    ? {
        widthPx: pixels.widthPx + offset.leftPx + below(random, 20),
        heightPx: pixels.heightPx + offset.topPx + below(random, 20),
      }
    : pixels;
  const seen = pixelsOf(canvas.widthPx, canvas.heightPx, (x, y) => {
    const [column, row] = [x - offset.leftPx, y - offset.topPx];
    const isInside = column >= 0 && column < pixels.widthPx && row >= 0 && row < pixels.heightPx;
    const at = (row * pixels.widthPx + column) * 3;
    const level = (channel: number) => pixels.data[at + channel] ?? 0;
    return isInside ? [level(0), level(1), level(2)] : [0, 0, 0];
  });
  return {
    kind: "webp: animated",
    bytes: extendedWebp({ canvas, exif: undefined, others: [], frame, offset }),
    seen,
    maxDifference: webpDifference,
    unlike: [],
  };
};

/** Coding AV1 takes long: pictures of one size are coded once. */
const codedPictures = new Map<
  string,
  Promise<{ readonly item: CodedItem; readonly pixels: Pixels }>
>();

function drawCoded(random: Random) {
  const [widthPx, heightPx] = [drawCodedSide(random), drawCodedSide(random)];
  const bitdepth = pick(random, [8, 8, 10] as const);
  const key = `${widthPx}×${heightPx}×${bitdepth}`;
  const known = codedPictures.get(key);
  if (known !== undefined) return known;
  const pixels = scene(widthPx, heightPx, () => 0.3);
  const coding = coderOf(pixels)
    .avif({ quality: 90, effort: 0, chromaSubsampling: "4:4:4", bitdepth })
    .toBuffer()
    .then((file) => ({ item: codedItem(file), pixels }));
  codedPictures.set(key, coding);
  return coding;
}

interface Transformed {
  readonly pixels: Pixels;
  readonly transformations: readonly Buffer[];
}

const transformations: readonly ((before: Pixels, random: Random) => readonly [Pixels, Buffer])[] =
  [
    (before, random) => {
      const quarters = below(random, 4);
      return [turnedLeft(before, quarters), irot(quarters)];
    },
    (before, random) =>
      isDrawn(random, 0.5) ? [flipped(before), imir(0)] : [mirrored(before), imir(1)],
    (before, random) => {
      const widthPx = 1 + below(random, before.widthPx);
      const heightPx = 1 + below(random, before.heightPx);
      const area = {
        widthPx,
        heightPx,
        leftPx: below(random, before.widthPx - widthPx + 1),
        topPx: below(random, before.heightPx - heightPx + 1),
      };
      const cut = { widthPx: before.widthPx, heightPx: before.heightPx, area };
      return [cropped(before, area), clap(cut)];
    },
  ];

function transform(pixels: Pixels, random: Random): Transformed {
  // Each at most once; the rule is clap, irot, imir, and any order is obeyed.
  const chosen = transformations.filter(() => isDrawn(random, 0.5));
  const order = isDrawn(random, 0.5) ? chosen : chosen.toReversed();
  return order.reduce<Transformed>(
    (before, next) => {
      const [after, written] = next(before.pixels, random);
      return { pixels: after, transformations: [...before.transformations, written] };
    },
    { pixels, transformations: [] },
  );
}

/** Pillow makes an orientation of a turn and a mirror after it; it does not crop. */
function isKnownToPillow(names: readonly string[]): boolean {
  return !names.includes("clap") && names.join() !== "imir,irot";
}

/** What may stand before what describes a picture; a length of 1 means that one of 64 bits follows. */
function drawBoxBefore(random: Random): Buffer {
  const free = box("free", drawBytes(random, 30));
  if (isDrawn(random, 0.5)) return free;
  const long = Buffer.alloc(8);
  long.writeBigUInt64BE(BigInt(free.length + long.length));
  return Buffer.concat([Buffer.from([0, 0, 0, 1]), free.subarray(4, 8), long, free.subarray(8)]);
}

const avif: DrawCase = async (random) => {
  const itemCount = pick(random, [1, 1, 2, 3]);
  const items: AvifItem[] = [];
  const seen: Pixels[] = [];
  for (let index = 0; index < itemCount; index += 1) {
    const { item, pixels } = await drawCoded(random);
    const after = transform(pixels, random);
    items.push({ ...item, transformations: after.transformations });
    seen.push(after.pixels);
  }
  const primaryIndex = below(random, itemCount);
  const primary = seen[primaryIndex];
  const names = (items[primaryIndex]?.transformations ?? []).map((each) =>
    each.toString("latin1", 4, 8),
  );
  const isWide = isDrawn(random, 0.3);
  const brand = pick(random, ["avif", "avif", "mif1", "avis"] as const);
  // libvips looks at the first brand alone.
  const others = itemCount > 1 || brand === "avis" ? (["sharp"] as const) : [];
  const bytes = avifFile({
    items,
    primaryIndex,
    hasWideNumbers: isWide,
    brand,
    boxes: isDrawn(random, 0.3) ? [drawBoxBefore(random)] : [],
  });
  return {
    kind: `avif: ${names.join(", ") || "as it is"}${itemCount > 1 ? ", one of several" : ""}`,
    bytes,
    ...(primary && { seen: primary }),
    maxDifference: 10,
    unlike: brand !== "avis" && isKnownToPillow(names) ? others : [...others, "Pillow"],
  };
};

const tiff: DrawCase = (random) => {
  const seen = scene(drawCodedSide(random), drawCodedSide(random), random);
  const orientation = drawOrientation(random);
  return {
    kind: "tiff: turned",
    bytes: tiffFile(storedAs(seen, orientation), {
      orientation,
      isLittleEndian: isDrawn(random, 0.5),
      type: isDrawn(random, 0.5) ? "SHORT" : "LONG",
    }),
    seen,
    maxDifference: 0,
    unlike: [],
  };
};

const inkedTiff: DrawCase = (random) => {
  const [widthPx, heightPx] = [drawCodedSide(random), drawCodedSide(random)];
  const orientation = drawOrientation(random);
  const inks = Buffer.from(
    Array.from({ length: widthPx * heightPx * 4 }, () => below(random, 256)),
  );
  const stored = pixelsOf(widthPx, heightPx, (x, y) =>
    mixed([...inks.subarray((y * widthPx + x) * 4, (y * widthPx + x) * 4 + 4)]),
  );
  return {
    kind: "tiff: CMYK",
    bytes: tiffFile(
      { widthPx, heightPx, data: inks },
      { orientation, isLittleEndian: isDrawn(random, 0.5), type: "SHORT", hasInks: true },
    ),
    seen: shownFrom(stored, orientation),
    maxDifference: 1,
    // Pillow maps such pixels into memory in the size that they have when they are turned.
    unlike: orientation > 4 ? ["Pillow"] : [],
  };
};

export const modernCases: readonly DrawCase[] = [webp, animatedWebp, avif, avif, tiff, inkedTiff];
