import { exifOrientation } from "./exif-orientation.ts";
import type { HeaderSteps } from "./header-steps.ts";
import type { HeaderFacts } from "./picture-format.ts";

/** Goes from segment to segment up to the frame header. @see ITU-T T.81, annex B */
export function jpegHeader(view: DataView, steps: HeaderSteps): HeaderFacts {
  let offset = 2;
  let orientation: number | undefined;
  for (;;) {
    offset = nextMarker(view, offset, steps);
    steps.countPart();
    const marker = view.getUint8(offset + 1);
    const isStandalone = marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    if (isStandalone) {
      offset += 2;
      continue;
    }
    // SOF0 to SOF15, without DHT, JPG and DAC, which are numbered among them.
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      return {
        size: { heightPx: view.getUint16(offset + 5), widthPx: view.getUint16(offset + 7) },
        orientation: orientation ?? 1,
        ...(progressiveFrames.has(marker) && { isProgressive: true }),
        isBaseline: isBaselineFrame(marker, view.getUint8(offset + 4), view.getUint8(offset + 9)),
      };
    }
    // After the start of a scan there is no header to come.
    if (marker === 0xda || marker === 0xd9) return {};
    const length = view.getUint16(offset + 2);
    // Of several Exif segments the first counts, as for libvips and browsers.
    if (marker === 0xe1) orientation ??= orientationOf(view, { offset, length }, steps);
    offset += 2 + length;
  }
}

/** SOF2, SOF6, SOF10 and SOF14. */
const progressiveFrames: ReadonlySet<number> = new Set([0xc2, 0xc6, 0xca, 0xce]);

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

/** Baseline, extended or progressive with Huffman codes, 8 bits, grey or YCbCr; four components are CMYK. */
function isBaselineFrame(marker: number, bits: number, componentCount: number): boolean {
  return marker <= 0xc2 && bits === 8 && (componentCount === 1 || componentCount === 3);
}

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
