import { exifOrientation } from "./exif-orientation.ts";
import type { HeaderInfo, HeaderSteps } from "./header-info.ts";

/** Size and orientation of a WebP. @see RFC 9649 */
export function webpHeader(view: DataView, steps: HeaderSteps): HeaderInfo {
  const uint24 = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  switch (chunkName(view, 12)) {
    case "VP8 ":
      return {
        size: {
          widthPx: view.getUint16(26, true) & 0x3fff,
          heightPx: view.getUint16(28, true) & 0x3fff,
        },
      };
    case "VP8L": {
      const bits = view.getUint32(21, true);
      return { size: { widthPx: (bits & 0x3fff) + 1, heightPx: ((bits >>> 14) & 0x3fff) + 1 } };
    }
    case "VP8X": {
      const flags = view.getUint8(20);
      const hasExif = (flags & 0x08) !== 0;
      return {
        size: { widthPx: uint24(24) + 1, heightPx: uint24(27) + 1 },
        orientation: hasExif ? exifChunkOrientation(view, steps) : 1,
        // libwebp's plain decoder refuses an animation.
        isBaseline: (flags & 0x02) === 0,
      };
    }
    default:
      return {};
  }
}

function chunkName(view: DataView, at: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((offset) => view.getUint8(at + offset)));
}

/** The Exif chunk comes after the pixels. A file that ends before it has an orientation of 1. */
function exifChunkOrientation(view: DataView, steps: HeaderSteps): number {
  let at = 12;
  while (at + 8 <= view.byteLength) {
    steps.countPart();
    const length = view.getUint32(at + 4, true);
    const end = Math.min(view.byteLength, at + 8 + length);
    if (view.getUint32(at) === exif) {
      const block = new DataView(view.buffer, view.byteOffset + at + 8, end - at - 8);
      return exifOrientation(block, steps);
    }
    // Chunks are padded to an even length.
    at += 8 + length + (length % 2);
  }
  return 1;
}

/** "EXIF": a number is compared many times faster than a text that is made first. */
const exif = 0x45584946;
