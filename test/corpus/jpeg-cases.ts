import { below, pick, type Random } from "../fuzz/mutate.ts";
import { type ExifOptions, exifBlock } from "./exif-block.ts";
import {
  flatJpeg,
  isFrameHeader,
  type JpegFile,
  joinedJpeg,
  jpegSegment,
  splitJpeg,
} from "./jpeg-files.ts";
import {
  coderOf,
  type DrawCase,
  drawBytes,
  drawCodedSide,
  drawExif,
  drawOrientation,
  drawSide,
  inserted,
  isDrawn,
  unlikeExif,
} from "./picture-case.ts";
import { grey, mixed, type Pixels, pixelsOf, scene, shownFrom, storedAs } from "./pixels.ts";

interface StoredJpeg {
  readonly file: JpegFile;
  readonly seen: Pixels;
  readonly orientation: number;
}

const quality = { quality: 95, chromaSubsampling: "4:4:4" };

async function drawJpeg(random: Random): Promise<StoredJpeg> {
  const drawn = scene(drawCodedSide(random), drawCodedSide(random), random);
  const isGrey = isDrawn(random, 0.2);
  const seen = isGrey ? grey(drawn) : drawn;
  const orientation = drawOrientation(random);
  const coder = coderOf(storedAs(seen, orientation));
  const bytes = await (isGrey ? coder.toColourspace("b-w") : coder)
    .jpeg({ ...quality, progressive: isDrawn(random, 0.4) })
    .toBuffer();
  return { file: splitJpeg(bytes), seen, orientation };
}

function exifSegment(exif: ExifOptions): Buffer {
  const block = exifBlock(exif);
  return jpegSegment(0xe1, Buffer.concat([Buffer.from("Exif\0\0", "latin1"), block]));
}

/** Puts Exif into any place before the first scan. */
function withExif({ segments, scans }: JpegFile, exif: Buffer, random: Random): JpegFile {
  return { segments: inserted(segments, exif, { random }), scans };
}

const maxDifference = 6;

/** One Exif segment to three; the first counts. */
const turned: DrawCase = async (random) => {
  const { file, seen, orientation } = await drawJpeg(random);
  const others = Array.from({ length: below(random, 3) }, () =>
    exifSegment(drawExif(random, drawOrientation(random))),
  );
  const xmp = jpegSegment(0xe1, Buffer.from("http://ns.adobe.com/xap/1.0/\0<x/>", "latin1"));
  const exif = drawExif(random, orientation);
  const withFirst = withExif(file, exifSegment(exif), random);
  const firstAt = withFirst.segments.findIndex((each) => each[1] === 0xe1);
  let { segments } = withFirst;
  for (const other of others) segments = inserted(segments, other, { random, kept: firstAt + 1 });
  if (isDrawn(random, 0.3)) segments = inserted(segments, xmp, { random });
  const bytes = joinedJpeg({ segments, scans: file.scans });
  return { kind: "jpeg: Exif", bytes, seen, maxDifference, unlike: unlikeExif(exif) };
};

/** What libjpeg passes over, once or often, between any two segments. */
const strays: readonly ((random: Random) => Buffer)[] = [
  (random) => Buffer.alloc(1 + below(random, 40)),
  (random) => drawBytes(random, 60),
  (random) => Buffer.alloc(2 * (1 + below(random, 20)), Buffer.from([0xff, 0x00])),
  // What looks like a segment, without its 0xFF.
  (random) => Buffer.from([0xe1, 0x00, 4 + below(random, 20), ...drawBytes(random, 20)]),
  // Markers that stand alone.
  (random) => Buffer.from([0xff, pick(random, [0x01, 0xd0, 0xd3, 0xd7])]),
  // Segments that are longer than they say, or say less than their own length.
  (random) => Buffer.concat([jpegSegment(0xe5, drawBytes(random, 20)), drawBytes(random, 9)]),
  (random) => Buffer.from([0xff, 0xe5, 0x00, below(random, 2)]),
  (random) => jpegSegment(0xfe, drawBytes(random, 60)),
];

const stray: DrawCase = async (random) => {
  const { file, seen, orientation } = await drawJpeg(random);
  const exif = drawExif(random, orientation);
  let { segments } = withExif(file, exifSegment(exif), random);
  const count = 1 + below(random, 4);
  for (let index = 0; index < count; index += 1) {
    segments = inserted(segments, pick(random, strays)(random), { random });
  }
  // Last, so that nothing comes between them and the marker that they fill up to.
  const filledAt = below(random, segments.length);
  const fill = Buffer.alloc(isDrawn(random, 0.3) ? 1 + below(random, 20) : 0, 0xff);
  const filled = segments[filledAt];
  if (filled?.[0] === 0xff) segments = segments.with(filledAt, Buffer.concat([fill, filled]));
  const bytes = joinedJpeg({ segments, scans: file.scans });
  // Pillow reads no byte between segments.
  const unlike = [...unlikeExif(exif), "Pillow"] as const;
  return { kind: "jpeg: bytes between segments", bytes, seen, maxDifference, unlike };
};

const adobeSegment = (transform: number) =>
  jpegSegment(0xee, Buffer.from([...Buffer.from("Adobe"), 0, 100, 0, 0, 0, 0, transform]));

const cmyk: DrawCase = (random) => {
  const [widthPx, heightPx] = [drawSide(random), drawSide(random)];
  const orientation = drawOrientation(random);
  const isOnItsSide = orientation > 4;
  const across = Math.ceil((isOnItsSide ? heightPx : widthPx) / 8);
  const down = Math.ceil((isOnItsSide ? widthPx : heightPx) / 8);
  const inks = Array.from({ length: across * down }, () =>
    Array.from({ length: 4 }, () => pick(random, [0, 255, below(random, 256)])),
  );
  const isAdobe = isDrawn(random, 0.6);
  const blocks = isAdobe ? inks.map((each) => each.map((ink) => 255 - ink)) : inks;
  const stored = pixelsOf(
    isOnItsSide ? heightPx : widthPx,
    isOnItsSide ? widthPx : heightPx,
    (x, y) => mixed(inks[Math.floor(y / 8) * across + Math.floor(x / 8)] ?? []),
  );
  const flat = flatJpeg({ widthPx: stored.widthPx, heightPx: stored.heightPx, blocks });
  const profile = jpegSegment(0xe2, Buffer.from("ICC_PROFILE\0\u0001\u0001no profile", "latin1"));
  const { scans } = flat;
  const exif = drawExif(random, orientation);
  let { segments } = withExif(flat, exifSegment(exif), random);
  if (isAdobe) segments = inserted(segments, adobeSegment(0), { random });
  if (isDrawn(random, 0.3)) segments = inserted(segments, profile, { random });
  return {
    kind: `jpeg: CMYK ${isAdobe ? "by Adobe" : "as it is"}`,
    bytes: joinedJpeg({ segments, scans }),
    seen: shownFrom(stored, orientation),
    maxDifference: 1,
    // Pillow takes all inks for inverted ones.
    unlike: isAdobe ? unlikeExif(exif) : [...unlikeExif(exif), "Pillow"],
  };
};

/** What libjpeg ends at. */
const refused: DrawCase = async (random) => {
  const { file } = await drawJpeg(random);
  const { segments, scans } = file;
  const frame = segments.find(isFrameHeader) ?? Buffer.alloc(0);
  const unknown = pick(random, [0x02, 0x4f, 0xbf, 0xc8, 0xde, 0xf0, 0xfd]);
  const [fault, list] = pick(random, [
    ["second start", inserted(segments, Buffer.from([0xff, 0xd8]), { random })],
    ["unknown marker", inserted(segments, jpegSegment(unknown, Buffer.alloc(4)), { random })],
    ["second frame", [...segments, frame]],
    ["no frame", segments.filter((each) => each !== frame)],
    ["early end", inserted(segments, Buffer.from([0xff, 0xd9]), { random })],
  ] as const);
  return {
    kind: `jpeg: ${fault}`,
    bytes: joinedJpeg({ segments: list, scans }),
    maxDifference: 0,
    unlike: ["Pillow"],
  };
};

export const jpegCases: readonly DrawCase[] = [turned, stray, cmyk, refused];
