import type { HeaderFacts } from "./header-facts.ts";

/**
 * The size of an AVIF or HEIC: the largest picture among those that the file describes. Turns and mirrors of these
 * formats are part of how they are decoded, so there is no orientation to tell.
 *
 * @see ISO/IEC 23008-12, sections 6.5.3 (`ispe`) and 9.3 (`iprp`)
 */
export function isoMediaHeader(view: DataView): HeaderFacts {
  const properties = boxPath.reduce<Span | undefined>(
    (span, type) => span && boxesIn(view, span).find((box) => box.type === type)?.content,
    { start: 0, end: view.byteLength },
  );
  if (!properties) return {};
  const sizes = boxesIn(view, properties)
    .filter(({ type, content }) => type === "ispe" && content.end - content.start >= 12)
    .map(({ content: { start } }) => ({
      widthPx: view.getUint32(start + 4),
      heightPx: view.getUint32(start + 8),
    }))
    .toSorted((a, b) => b.widthPx * b.heightPx - a.widthPx * a.heightPx);
  const [largest] = sizes;
  return largest ? { size: largest } : {};
}

const boxPath = ["meta", "iprp", "ipco"] as const;

/** More boxes than these next to each other are not looked at: a file of zeros is full of them. */
const maxBoxes = 1_024;

interface Span {
  readonly start: number;
  readonly end: number;
}

interface Box {
  readonly type: string;
  readonly content: Span;
}

function boxesIn(view: DataView, { start, end }: Span): readonly Box[] {
  const boxes: Box[] = [];
  let at = start;
  while (at + 8 <= end && boxes.length < maxBoxes) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...[4, 5, 6, 7].map((offset) => view.getUint8(at + offset)));
    // 0 goes to the end; 1 means a 64-bit length, which no header needs.
    const boxEnd = length === 0 ? end : Math.min(end, at + length);
    if (length === 1 || boxEnd < at + 8) break;
    // `meta` alone of these has a version and flags before its boxes.
    boxes.push({ type, content: { start: at + (type === "meta" ? 12 : 8), end: boxEnd } });
    at = boxEnd;
  }
  return boxes;
}
