import { exifOrientation } from "./exif-orientation.ts";
import type { HeaderFacts } from "./header-facts.ts";

/** Goes from segment to segment up to the frame header. @see ITU-T T.81, annex B */
export function jpegHeader(view: DataView): HeaderFacts {
  let offset = 2;
  let orientation = 1;
  for (;;) {
    if (view.getUint8(offset) !== 0xff) return {};
    const marker = view.getUint8(offset + 1);
    if (marker === 0xff) {
      offset += 1;
      continue;
    }
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
        orientation,
        isOrdinary: isOrdinaryFrame(marker, view.getUint8(offset + 4), view.getUint8(offset + 9)),
      };
    }
    // After the start of a scan there is no header to come.
    if (marker === 0xda || marker === 0xd9) return {};
    const length = view.getUint16(offset + 2);
    if (marker === 0xe1) orientation = orientationOf(view, offset + 4, length - 2) ?? orientation;
    offset += 2 + length;
  }
}

/** Baseline, extended or progressive with Huffman codes, 8 bits, grey or YCbCr; four components are CMYK. */
function isOrdinaryFrame(marker: number, bits: number, componentCount: number): boolean {
  return marker <= 0xc2 && bits === 8 && (componentCount === 1 || componentCount === 3);
}

/** @returns undefined for an APP1 segment of another kind, such as XMP */
function orientationOf(view: DataView, start: number, length: number): number | undefined {
  const isExif = view.getUint32(start) === 0x45786966 && view.getUint16(start + 4) === 0;
  if (!isExif || length < 6) return undefined;
  const end = Math.min(view.byteLength, start + length);
  if (end <= start + 6) return undefined;
  return exifOrientation(new DataView(view.buffer, view.byteOffset + start + 6, end - start - 6));
}
