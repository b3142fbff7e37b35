import { UnsupportedMediaError } from "@tensorgate/core";
import { exifOrientation } from "./exif-orientation.ts";
import type { HeaderInfo, HeaderSteps } from "./header-info.ts";

/**
 * Reads IHDR, which is the first chunk by rule, and eXIf, which comes before the pixels where there is one.
 *
 * @throws UnsupportedMediaError if another chunk comes first, as in the PNGs of Apple's build tools
 * @see PNG (3rd edition), section 5
 */
export function pngHeader(view: DataView, steps: HeaderSteps): HeaderInfo {
  if (view.getUint32(8) !== 13 || view.getUint32(12) !== chunkTypes.IHDR) {
    throw new UnsupportedMediaError("the png picture does not begin with an IHDR chunk", {
      hint: "save it as a standard PNG; Apple's CgBI files are none",
    });
  }
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
    if (type === chunkTypes.eXIf) {
      const end = Math.min(view.byteLength, at + 8 + length);
      const block = new DataView(view.buffer, view.byteOffset + at + 8, end - at - 8);
      return exifOrientation(block, steps);
    }
    // eXIf may come after the pixels too, where no reader looks for it: that would take reading them all.
    if (type === chunkTypes.IDAT) return 1;
    at += 12 + length;
  }
  return 1;
}

/** The only interlace method there is. */
const adam7 = 1;
const chunkTypes = { IHDR: 0x49484452, eXIf: 0x65584966, IDAT: 0x49444154 } as const;
