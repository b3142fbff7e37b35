import { exifOrientation } from "./exif-orientation.ts";
import type { HeaderInfo, HeaderSteps } from "./header-info.ts";

/**
 * Goes from segment to segment up to the first scan, as libjpeg does.
 *
 * @returns nothing where libjpeg gives up: without a frame header or with two, and at a marker that it does not know
 * @see ITU-T T.81, annex B
 */
export function jpegHeader(view: DataView, steps: HeaderSteps): HeaderInfo {
  let offset = 2;
  let frameAt: number | undefined;
  let orientation: number | undefined;
  let isAdobe = false;
  // A picture that ends after its frame header is for its decoder to refuse.
  while (frameAt === undefined || offset + 4 <= view.byteLength) {
    offset = nextMarker(view, offset, steps);
    steps.countPart();
    const marker = view.getUint8(offset + 1);
    if (marker === startOfScan) break;
    if (standaloneMarkers.has(marker)) {
      offset += 2;
      continue;
    }
    const isFrame = frameMarkers.has(marker);
    if (isFrame ? frameAt !== undefined : !segmentMarkers.has(marker)) return {};
    if (isFrame) frameAt = offset;
    const length = view.getUint16(offset + 2);
    // Of several Exif segments the first counts, as for libvips and browsers.
    if (marker === app1) orientation ??= orientationOf(view, { offset, length }, steps);
    if (marker === app14) isAdobe ||= length >= 14 && view.getUint32(offset + 4) === adobe;
    // A length below 2 still counts its own two bytes.
    offset += 2 + Math.max(2, length);
  }
  if (frameAt === undefined) return {};
  const marker = view.getUint8(frameAt + 1);
  const componentCount = view.getUint8(frameAt + 9);
  if (view.getUint16(frameAt + 2) !== 8 + 3 * componentCount) return {};
  const info = {
    size: { heightPx: view.getUint16(frameAt + 5), widthPx: view.getUint16(frameAt + 7) },
    orientation: orientation ?? 1,
    isProgressive: marker === 0xc2 || marker === 0xca,
    // Huffman codes, 8 bits, grey or YCbCr, and what TensorFlow knows a JPEG by: a marker next to the first one.
    isBaseline:
      marker <= 0xc2 &&
      view.getUint8(frameAt + 4) === 8 &&
      (componentCount === 1 || componentCount === 3) &&
      view.getUint8(2) === fill,
  };
  return componentCount === 4 ? { ...info, inks: isAdobe ? "inverted" : "plain" } : info;
}

/** TEM and RST0 to RST7. */
const standaloneMarkers: ReadonlySet<number> = new Set([
  0x01, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7,
]);
/** SOF0, SOF1 and SOF2 with Huffman codes, SOF9 and SOF10 with arithmetic ones. */
const frameMarkers: ReadonlySet<number> = new Set([0xc0, 0xc1, 0xc2, 0xc9, 0xca]);
const applicationMarkers = Array.from({ length: 16 }, (_, index) => 0xe0 + index);
/** DHT, DAC, DQT, DNL, DRI, APP0 to APP15, and COM. */
const segmentMarkers: ReadonlySet<number> = new Set([
  0xc4,
  0xcc,
  0xdb,
  0xdc,
  0xdd,
  ...applicationMarkers,
  0xfe,
]);
const startOfScan = 0xda;
const app1 = 0xe1;
const app14 = 0xee;
/** "Adob", which is as much as one read compares. */
const adobe = 0x41646f62;

/** Where the 0xFF of the next marker is. Like libjpeg it passes over what stands between two segments. */
function nextMarker(view: DataView, start: number, steps: HeaderSteps): number {
  let at = start;
  for (;;) {
    const code = view.getUint8(at) === 0xff ? view.getUint8(at + 1) : fill;
    // A 0xFF before 0xFF fills up; one before 0x00 is part of pixels.
    if (code !== fill && code !== 0x00) return at;
    steps.countSkippedByte();
    at += 1;
  }
}

const fill = 0xff;

/** @returns undefined for an APP1 segment of another kind, such as XMP */
function orientationOf(
  view: DataView,
  { offset, length }: { readonly offset: number; readonly length: number },
  steps: HeaderSteps,
): number | undefined {
  const start = offset + 4;
  const isExif = view.getUint32(start) === 0x45786966 && view.getUint16(start + 4) === 0;
  if (!isExif || length < 8) return undefined;
  const end = Math.min(view.byteLength, offset + 2 + length);
  if (end <= start + 6) return undefined;
  const block = new DataView(view.buffer, view.byteOffset + start + 6, end - start - 6);
  return exifOrientation(block, steps);
}
