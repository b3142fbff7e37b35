import {
  type DecodeOptions,
  decodableFormats,
  needsNoConversion,
  optionalFormats,
  orientedSize,
  type PictureFormat,
  readPictureHeader,
} from "@tensorgate/imaging";
import { decodePicture } from "@tensorgate/imaging/decode";
import sharp from "sharp";
import { convertPicture } from "../../packages/imaging/src/convert-picture.ts";
import { below, mutate, pick, type Random, seededRandom } from "../fuzz/mutate.ts";
import { jpegCases } from "./jpeg-cases.ts";
import { modernCases } from "./modern-cases.ts";
import type { DrawCase, PictureCase } from "./picture-case.ts";
import { difference, type Pixels } from "./pixels.ts";
import { gifCases, pngCases } from "./png-gif-cases.ts";

/** What one way of reading a picture says that another, or the one who wrote it, does not. */
export interface Disagreement {
  readonly kind: string;
  /** Which file of the corpus it is. */
  readonly index: number;
  readonly what: string;
}

const formats: readonly (readonly DrawCase[])[] = [
  jpegCases,
  jpegCases,
  pngCases,
  gifCases,
  modernCases,
];

/** Draws one file of the corpus: the same for the same seed and index. */
export async function corpusCase(seed: number, index: number): Promise<PictureCase> {
  const random = seededRandom(seed * 1_000_003 + index);
  const drawn = await pick(random, pick(random, formats))(random);
  if (random() >= damagedShare) return drawn;
  const { kind, bytes, unlike } = drawn;
  const damaged = random() < 0.3 ? cut(bytes, random) : mutate(bytes, random);
  return {
    kind: `${kind.replace(/:.*/, "")}: damaged`,
    bytes: damaged,
    isDamaged: true,
    maxDifference: 0,
    unlike,
  };
}

const damagedShare = 0.15;
const cut = (bytes: Buffer, random: Random) => bytes.subarray(0, below(random, bytes.length));

const options: DecodeOptions = { maxPixels: 5_000_000, additionalFormats: optionalFormats };
const allFormats: ReadonlySet<PictureFormat> = new Set([...decodableFormats, ...optionalFormats]);

const named = ({ widthPx, heightPx }: Pick<Pixels, "widthPx" | "heightPx">) =>
  `${widthPx}×${heightPx}`;

/** What each way sees, or why it refuses. */
type Seen = Pixels | { readonly refusal: string };

async function seenOr(
  read: () => Promise<{ widthPx: number; heightPx: number; pixels: Uint8Array }>,
): Promise<Seen> {
  try {
    const { widthPx, heightPx, pixels } = await read();
    return { widthPx, heightPx, data: pixels };
  } catch (thrown) {
    const { message, cause } = thrown as Error;
    return { refusal: `${message}${cause instanceof Error ? ` (${cause.message})` : ""}` };
  }
}

/** The three ways of a picture to a model: as pixels, converted, and as it is where its header says so. */
async function waysOf(bytes: Buffer): Promise<ReadonlyMap<string, Seen>> {
  const ways = new Map<string, Seen>();
  ways.set("pixels", await seenOr(() => decodePicture(bytes, { ...options, oriented: true })));
  ways.set(
    "converted",
    await seenOr(async () => decodePicture((await convertPicture(bytes, options)).bytes, options)),
  );
  try {
    const header = readPictureHeader(bytes);
    const size = header.size && orientedSize(header.size, header.orientation);
    if (size) ways.set("header", { ...size, data: new Uint8Array() });
    if (needsNoConversion(header, allFormats)) {
      ways.set("as it is", await seenOr(() => decodePicture(bytes, options)));
    }
  } catch (thrown) {
    ways.set("header", { refusal: (thrown as Error).message });
  }
  return ways;
}

/** The sizes that the other reader says: libvips with what it knows of orientations. */
async function otherReader(bytes: Buffer): Promise<Seen> {
  try {
    const { width, height } = (await sharp(bytes).metadata()).autoOrient;
    return { widthPx: width, heightPx: height, data: new Uint8Array() };
  } catch (thrown) {
    return { refusal: (thrown as Error).message };
  }
}

export async function disagreementsOf(
  drawn: PictureCase,
  index: number,
): Promise<readonly Disagreement[]> {
  const { kind, bytes, seen, isDamaged = false, unlike } = drawn;
  const ways = await waysOf(bytes);
  const others =
    unlike.includes("sharp") || isDamaged ? [] : [["sharp", await otherReader(bytes)] as const];
  const found = isDamaged
    ? disagreementsAmong(ways)
    : [...ways, ...others].flatMap(([way, said]) =>
        seen ? faultOf({ way, said, seen }, drawn) : wronglyTaken(way, said),
      );
  return found.map((what) => ({ kind, index, what }));
}

/** Whether a file that no reader should take is taken by one that decodes it. */
function wronglyTaken(way: string, said: Seen): readonly string[] {
  const mayTake = way === "header" || way === "sharp";
  return mayTake || "refusal" in said ? [] : [`${way}: is not refused`];
}

interface SeenBy {
  readonly way: string;
  readonly said: Seen;
  readonly seen: Pixels;
}

function faultOf(
  { way, said, seen }: SeenBy,
  { maxDifference }: Pick<PictureCase, "maxDifference">,
): readonly string[] {
  if ("refusal" in said) return [`${way}: refused: ${said.refusal}`];
  if (named(said) !== named(seen)) return [`${way}: ${named(said)} for ${named(seen)}`];
  // A header has no pixels.
  const far = said.data.length > 0 ? difference(said, seen) : 0;
  return far > maxDifference ? [`${way}: pixels differ by ${far.toFixed(1)}`] : [];
}

/** Of a damaged file: what is seen as pixels is seen by the other ways, and what is refused is refused by them. */
function disagreementsAmong(ways: ReadonlyMap<string, Seen>): readonly string[] {
  const seen = ways.get("pixels");
  if (seen === undefined) return [];
  if ("refusal" in seen) {
    const taken = ["converted", "as it is"].flatMap((way) => {
      const said = ways.get(way);
      return said && !("refusal" in said) ? [`${way}: sees what pixels refuse`] : [];
    });
    return seen.refusal.includes(headerDisagrees) ? [...taken, `pixels: ${seen.refusal}`] : taken;
  }
  return [...ways].flatMap(([way, said]) =>
    // A picture of more than a megapixel is converted with some loss.
    faultOf({ way, said, seen }, { maxDifference: way === "converted" ? 2 : 0 }),
  );
}

/** How the decoder says that the size of the pixels is not that of the header. */
const headerDisagrees = "its header says";
