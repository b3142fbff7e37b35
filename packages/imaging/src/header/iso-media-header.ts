import type { HeaderSteps } from "./header-steps.ts";
import type { HeaderFacts, PictureSize } from "./picture-format.ts";

/**
 * The size of an AVIF or HEIC: the largest picture among those that the file describes. Turns and mirrors of these
 * formats are part of how they are decoded, so there is no orientation to tell.
 *
 * @see ISO/IEC 23008-12, sections 6.5.3 (`ispe`) and 9.3 (`iprp`)
 */
export function isoMediaHeader(view: DataView, steps: HeaderSteps): HeaderFacts {
  let properties: Span = { start: 0, end: view.byteLength };
  for (const type of boxPath) {
    const found = firstOf(type, boxesIn(view, properties, steps));
    if (!found) return {};
    properties = found;
  }
  let largest: PictureSize | undefined;
  for (const { type, content } of boxesIn(view, properties, steps)) {
    if (type !== boxTypes.ispe || content.end - content.start < 12) continue;
    const size = {
      widthPx: view.getUint32(content.start + 4),
      heightPx: view.getUint32(content.start + 8),
    };
    if (!largest || pixelCount(size) > pixelCount(largest)) largest = size;
  }
  return largest ? { size: largest } : {};
}

/** Types of boxes, as the four letters are stored: numbers are compared many times faster than texts. */
const boxTypes = {
  meta: 0x6d657461,
  iprp: 0x69707270,
  ipco: 0x6970636f,
  ispe: 0x69737065,
} as const;

const boxPath = [boxTypes.meta, boxTypes.iprp, boxTypes.ipco];

interface Span {
  readonly start: number;
  readonly end: number;
}

interface Box {
  readonly type: number;
  readonly content: Span;
}

/** The boxes next to each other in `span`, one at a time: who has found what was sought goes no further. */
function* boxesIn(view: DataView, { start, end }: Span, steps: HeaderSteps): Generator<Box> {
  let at = start;
  while (at + 8 <= end) {
    steps.countPart();
    const length = view.getUint32(at);
    const type = view.getUint32(at + 4);
    // 0 goes to the end; 1 means a 64-bit length, which no header needs.
    const boxEnd = length === 0 ? end : Math.min(end, at + length);
    if (length === 1 || boxEnd < at + 8) return;
    // `meta` alone of these has a version and flags before its boxes.
    yield { type, content: { start: at + (type === boxTypes.meta ? 12 : 8), end: boxEnd } };
    at = boxEnd;
  }
}

function firstOf(wanted: number, boxes: Iterable<Box>): Span | undefined {
  for (const { type, content } of boxes) if (type === wanted) return content;
  return undefined;
}

function pixelCount({ widthPx, heightPx }: PictureSize): number {
  return widthPx * heightPx;
}
