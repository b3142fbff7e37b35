export interface PictureSize {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** What a format's own reader finds in its first bytes; what it does not tell has its usual value. */
export interface HeaderFacts {
  /** As it is stored, before it is turned upright. Absent where the format keeps its size out of reach. */
  readonly size?: PictureSize;
  /** By Exif: 1 is upright. */
  readonly orientation?: number;
  /** Whether its pixels come in several passes, which takes a decoder longer and all of the picture in memory. */
  readonly isProgressive?: boolean;
  /** Whether every decoder of the format reads it, and reads the same: not so with CMYK or 12 bits in a JPEG. */
  readonly isOrdinary?: boolean;
}
