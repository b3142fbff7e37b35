import type { HeaderInfo, HeaderSteps, PictureSize } from "./header-info.ts";

/**
 * Reads the size of an AVIF's or HEIC's primary picture: what its `ispe` says, turned and cropped by the properties
 * that the file lists after it. These are part of decoding; an Exif block only repeats them, so there is no
 * orientation to tell.
 *
 * @see ISO/IEC 23008-12, sections 6.5.3 (`ispe`), 6.5.9 to 6.5.12 (`clap`, `irot`, `imir`) and 9.3 (`iprp`)
 */
export function isoMediaHeader(view: DataView, steps: HeaderSteps): HeaderInfo {
  const whole = { start: 0, end: view.byteLength };
  const meta = firstOf(boxTypes.meta, boxesIn(view, whole, steps));
  if (!meta) return hidden;
  const inMeta = [...boxesIn(view, meta, steps)];
  const primary = firstOf(boxTypes.pitm, inMeta);
  const itemProperties = firstOf(boxTypes.iprp, inMeta);
  if (!primary || !itemProperties) return hidden;
  const boxes = [...boxesIn(view, itemProperties, steps)];
  const container = firstOf(boxTypes.ipco, boxes);
  const properties = container ? [...boxesIn(view, container, steps)] : [];
  const item = itemNumber(view, primary.start, versionOf(view, primary));
  const indexes = boxes
    .filter(({ type }) => type === boxTypes.ipma)
    .map(({ content }) => propertyIndexes(view, { content, item }, steps))
    .find((each) => each.length > 0);
  const ofPrimary = (indexes ?? []).flatMap((index) => properties[index - 1] ?? []);
  const stored = ofPrimary.findLast(({ type }) => type === boxTypes.ispe);
  if (!stored) return hidden;
  return {
    size: transformed(view, sizeIn(view, stored), ofPrimary),
    codedSize: largest(properties.filter(isSize).map((each) => sizeIn(view, each))),
    // Several libraries leave the transformations to the program that calls them, or read no animation.
    isBaseline:
      view.getUint32(8) !== animation && !ofPrimary.some(({ type }) => transformations.has(type)),
  };
}

/** Of a file that keeps its size out of reach, and so what it is turned by. */
const hidden: HeaderInfo = { isBaseline: false };

/** Types of boxes, as the four letters are stored: numbers are compared many times faster than texts. */
const boxTypes = {
  meta: 0x6d657461,
  pitm: 0x7069746d,
  iprp: 0x69707270,
  ipco: 0x6970636f,
  ipma: 0x69706d61,
  ispe: 0x69737065,
  clap: 0x636c6170,
  irot: 0x69726f74,
  imir: 0x696d6972,
} as const;

/** "avis", the first brand of an animation. */
const animation = 0x61766973;

/** Boxes that have a version and flags before their content. */
const fullBoxes: ReadonlySet<number> = new Set([
  boxTypes.meta,
  boxTypes.pitm,
  boxTypes.ipma,
  boxTypes.ispe,
]);

const transformations: ReadonlySet<number> = new Set([boxTypes.clap, boxTypes.irot, boxTypes.imir]);

interface Span {
  readonly start: number;
  readonly end: number;
}

interface Box {
  readonly type: number;
  readonly content: Span;
}

/** Yields the boxes next to each other in `span`, one at a time: a search ends at the box that it finds. */
function* boxesIn(view: DataView, { start, end }: Span, steps: HeaderSteps): Generator<Box> {
  let at = start;
  while (at + 8 <= end) {
    steps.countPart();
    const type = view.getUint32(at + 4);
    const { length, headBytes } = boxLength(view, at);
    // 0 goes to the end.
    const boxEnd = length === 0 ? end : Math.min(end, at + length);
    if (boxEnd < at + headBytes) return;
    const contentAt = at + headBytes + (fullBoxes.has(type) ? 4 : 0);
    yield { type, content: { start: contentAt, end: boxEnd } };
    at = boxEnd;
  }
}

/** A length of 1 means that one of 64 bits follows, as some writers have for pixels that stand before `meta`. */
function boxLength(view: DataView, at: number) {
  const length = view.getUint32(at);
  if (length !== 1) return { length, headBytes: 8 };
  return { length: Number(view.getBigUint64(at + 8)), headBytes: 16 };
}

function firstOf(wanted: number, boxes: Iterable<Box>): Span | undefined {
  for (const { type, content } of boxes) if (type === wanted) return content;
  return undefined;
}

const versionOf = (view: DataView, { start }: Span) => view.getUint8(start - 4);

/** Numbers of items have four bytes from version 1 on. */
function itemNumber(view: DataView, at: number, version: number): number {
  return version === 0 ? view.getUint16(at) : view.getUint32(at);
}

/** @returns the places of an item's properties in `ipco`, from 1, in the order in which they apply */
function propertyIndexes(
  view: DataView,
  { content, item }: { readonly content: Span; readonly item: number },
  steps: HeaderSteps,
): readonly number[] {
  const version = versionOf(view, content);
  const isWide = (view.getUint8(content.start - 1) & 1) === 1;
  const entryCount = view.getUint32(content.start);
  let at = content.start + 4;
  for (let entry = 0; entry < entryCount; entry += 1) {
    steps.countPart();
    const isWanted = itemNumber(view, at, version) === item;
    at += version === 0 ? 2 : 4;
    const count = view.getUint8(at);
    at += 1;
    // The highest bit says that a property is essential.
    const indexes = Array.from({ length: isWanted ? count : 0 }, (_, index) =>
      isWide ? view.getUint16(at + index * 2) & 0x7fff : view.getUint8(at + index) & 0x7f,
    );
    if (isWanted) return indexes;
    at += isWide ? count * 2 : count;
  }
  return [];
}

const isSize = ({ type }: Box) => type === boxTypes.ispe;

function sizeIn(view: DataView, { content: { start } }: Box): PictureSize {
  return { widthPx: view.getUint32(start), heightPx: view.getUint32(start + 4) };
}

function transformed(view: DataView, stored: PictureSize, properties: readonly Box[]): PictureSize {
  let size = stored;
  for (const { type, content } of properties) {
    if (type === boxTypes.clap) {
      size = { widthPx: rounded(view, content.start), heightPx: rounded(view, content.start + 8) };
    } else if (type === boxTypes.irot && (view.getUint8(content.start) & 1) === 1) {
      // A quarter turn to either side.
      size = { widthPx: size.heightPx, heightPx: size.widthPx };
    }
  }
  return size;
}

/** Reads a fraction. @returns the nearest whole number, 0 where the denominator is 0 */
function rounded(view: DataView, at: number): number {
  const denominator = view.getUint32(at + 4);
  return denominator === 0 ? 0 : Math.floor(view.getUint32(at) / denominator + 0.5);
}

function largest(sizes: readonly PictureSize[]): PictureSize {
  return sizes.reduce((most, each) => (pixelCount(each) > pixelCount(most) ? each : most));
}

function pixelCount({ widthPx, heightPx }: PictureSize): number {
  return widthPx * heightPx;
}
