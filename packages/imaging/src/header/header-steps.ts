import { UnsupportedMediaError } from "@tensorgate/core";

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

/**
 * Most parts of one header. As many full segments of a JPEG as a message of 64 MiB can hold are 1,024; the chunks before a
 * WebP's Exif are one for each frame of an animation, and these are eleven minutes of one with 25 a second. Going
 * through as many takes less than a millisecond.
 */
export const maxHeaderParts = 16_384;

/** Most bytes between the segments of one JPEG: as many as a segment has, for writers that fill up the place of one. */
export const maxSkippedBytes = 65_536;

/** @param format - for the message */
export function createHeaderSteps(format: string): HeaderSteps {
  let partCount = 0;
  let skippedBytes = 0;
  return {
    get partCount() {
      return partCount;
    },
    get skippedBytes() {
      return skippedBytes;
    },
    countPart: () => {
      partCount += 1;
      if (partCount <= maxHeaderParts) return;
      throw tooLong(format, `${maxHeaderParts} segments, chunks, boxes or directory entries`);
    },
    countSkippedByte: () => {
      skippedBytes += 1;
      if (skippedBytes <= maxSkippedBytes) return;
      throw tooLong(format, `${maxSkippedBytes} bytes between its segments`);
    },
  };
}

function tooLong(format: string, limit: string): UnsupportedMediaError {
  return new UnsupportedMediaError(`the ${format} picture's header has more than ${limit}`, {
    hint: "save it again without metadata",
  });
}
