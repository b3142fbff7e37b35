import type { DecodeOptions } from "./decode-options.ts";
import type { PictureSize } from "./header/header-info.ts";
import { encodePixels, openPicture } from "./open-picture.ts";

/** A picture that every decoder reads the same. */
export interface ConvertedPicture {
  /** An upright PNG or JPEG of 8 bits a channel, in red, green and blue. */
  readonly bytes: Uint8Array;
  readonly size: PictureSize;
}

/**
 * Most pixels that are kept as they are, in a PNG. A larger picture becomes a JPEG of the best usual quality, since
 * as a PNG it would be several times as long as what came; models look at a few hundred pixels a side.
 */
const maxLosslessPixels = 1_000_000;

/**
 * Makes any picture that can be decoded one that every model reads: upright, of one frame, a PNG or a JPEG.
 *
 * @throws UnsupportedMediaError, TooLargeError as `decodePicture` does
 */
export async function convertPicture(
  bytes: Uint8Array,
  options: DecodeOptions,
): Promise<ConvertedPicture> {
  const picture = await openPicture(bytes, { ...options, oriented: true });
  const isSmall = picture.size.widthPx * picture.size.heightPx <= maxLosslessPixels;
  const { data, size } = await encodePixels(picture, (pixels) =>
    isSmall
      ? pixels.png({ compressionLevel: 2 })
      : pixels.jpeg({ quality: 95, chromaSubsampling: "4:4:4" }),
  );
  return { bytes: data, size };
}
