import { exifOrientation } from "./exif-orientation.ts";
import type { HeaderInfo, HeaderSteps } from "./header-info.ts";

/** "Separated": inks rather than light. */
const separated = 5;

/** Size, orientation and inks of the first picture of a TIFF. @see TIFF 6.0, section 2, and tags 256, 257 and 262 */
export function tiffHeader(view: DataView, steps: HeaderSteps): HeaderInfo {
  const isLittleEndian = view.getUint16(0) === 0x4949;
  const directory = view.getUint32(4, isLittleEndian);
  const entryCount = view.getUint16(directory, isLittleEndian);
  const tagValue = (tag: number): number | undefined => {
    for (let entry = 0; entry < entryCount; entry += 1) {
      steps.countPart();
      const at = directory + 2 + entry * 12;
      if (view.getUint16(at, isLittleEndian) !== tag) continue;
      const isShort = view.getUint16(at + 2, isLittleEndian) === 3;
      return isShort
        ? view.getUint16(at + 8, isLittleEndian)
        : view.getUint32(at + 8, isLittleEndian);
    }
    return undefined;
  };
  const widthPx = tagValue(256);
  const heightPx = tagValue(257);
  if (widthPx === undefined || heightPx === undefined) return {};
  return {
    size: { widthPx, heightPx },
    orientation: exifOrientation(view, steps),
    ...(tagValue(262) === separated && { inks: "plain", isBaseline: false }),
  };
}
