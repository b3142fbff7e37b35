import type { HeaderInfo } from "./header-info.ts";

/** Length of the header of OS/2, whose sizes have 16 bits. */
const coreLength = 12;
/** Lengths of the headers of Windows and of OS/2, version 2. */
const infoLengths: ReadonlySet<number> = new Set([16, 40, 52, 56, 64, 108, 124]);

/**
 * Reads the size of a BMP. A text may begin with the same two letters: what has another header is none.
 *
 * @see Microsoft's BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER and BITMAPV5HEADER
 */
export function bmpHeader(view: DataView): HeaderInfo {
  const length = view.getUint32(14, true);
  if (length === coreLength) {
    return { size: { widthPx: view.getUint16(18, true), heightPx: view.getUint16(20, true) } };
  }
  if (!infoLengths.has(length)) return {};
  // A negative height means that the first row is the highest.
  return {
    size: {
      widthPx: Math.max(0, view.getInt32(18, true)),
      heightPx: Math.abs(view.getInt32(22, true)),
    },
  };
}
