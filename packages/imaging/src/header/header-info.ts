/** Formats that are recognised; whether one can be decoded, and by whom, is another question. */
export type PictureFormat = "jpeg" | "png" | "gif" | "webp" | "avif" | "heic" | "tiff" | "bmp";

export interface PictureSize {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** What the reader of one format finds in a header; what is absent has its usual value. */
export interface HeaderInfo {
  /**
   * As it is decoded, before it is turned by Exif: with the transformations of an AVIF, and all of the screen of a GIF.
   * Absent where the format keeps its size out of reach.
   */
  readonly size?: PictureSize;
  /** The largest picture that a decoder makes on the way to `size`; absent where that is `size`. */
  readonly codedSize?: PictureSize;
  /** By Exif: 1 is upright. */
  readonly orientation?: number;
  /** Whether its pixels come in several passes, which takes a decoder longer and all of the picture in memory. */
  readonly isProgressive?: boolean;
  /** Whether every decoder of the format reads it, and reads the same: not so with CMYK or 12 bits in a JPEG. */
  readonly isBaseline?: boolean;
  /** How a CMYK picture stores its four inks: as they are, or 255 minus that, as Adobe writes them. */
  readonly inks?: "plain" | "inverted";
}

/**
 * Counts what reading one header goes through, and ends it where no honest file would have led so far: strangers'
 * files are walked on the event loop, and 32 MiB hold millions of empty chunks.
 */
export interface HeaderSteps {
  /** Segments, chunks, boxes and directory entries so far. */
  readonly partCount: number;
  /** Bytes so far that are part of none of these. */
  readonly skippedBytes: number;
  /** @throws UnsupportedMediaError if that is one part more than `maxHeaderParts` */
  countPart(): void;
  /** @throws UnsupportedMediaError if that is one byte more than `maxSkippedBytes` */
  countSkippedByte(): void;
}

/** Reads the header of one format. @throws RangeError at the end of the bytes */
export type ReadHeader = (view: DataView, steps: HeaderSteps) => HeaderInfo;
