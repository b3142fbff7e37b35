import { exifOrientation } from "./exif-orientation.ts";
import type { HeaderSteps } from "./header-steps.ts";
import type { HeaderFacts } from "./picture-format.ts";

/** IHDR is the first chunk by rule; eXIf comes before the pixels where there is one. @see PNG (3rd edition), section 5 */
export function pngHeader(view: DataView, steps: HeaderSteps): HeaderFacts {
  return {
    size: { widthPx: view.getUint32(16), heightPx: view.getUint32(20) },
    ...(view.getUint8(28) === adam7 && { isProgressive: true }),
    orientation: exifChunkOrientation(view, steps),
  };
}

function exifChunkOrientation(view: DataView, steps: HeaderSteps): number {
  let at = 8;
  while (at + 8 <= view.byteLength) {
    steps.countPart();
    const length = view.getUint32(at);
    const type = view.getUint32(at + 4);
    if (type === exif) {
      const end = Math.min(view.byteLength, at + 8 + length);
      const block = new DataView(view.buffer, view.byteOffset + at + 8, end - at - 8);
      return exifOrientation(block, steps);
    }
    // eXIf may come after the pixels too, where nobody looks for it: that would take reading them all.
    if (type === imageData) return 1;
    at += 12 + length;
  }
  return 1;
}

/** The only interlace method there is. */
const adam7 = 1;
const exif = 0x65584966;
const imageData = 0x49444154;
