import type { DecodeOptions } from "./decode-options.ts";
import { encodePixels, openPicture } from "./open-picture.ts";

/** Interleaved 8-bit pixels, row-major: shape `[heightPx, widthPx, 3]`. */
export interface RgbImage {
  readonly heightPx: number;
  readonly widthPx: number;
  readonly pixels: Uint8Array;
}

/**
 * Decodes a picture as TensorFlow's accurate decoder does: no colour profile, no alpha, the first frame of several,
 * 8 bits a channel; turned by Exif only where `options` say so.
 *
 * @throws UnsupportedMediaError if it is not a picture that can be decoded, or is cut short
 * @throws TooLargeError if it has more pixels than `options` say; nothing is decoded then
 */
export async function decodePicture(bytes: Uint8Array, options: DecodeOptions): Promise<RgbImage> {
  const picture = await openPicture(bytes, options);
  const { data, size, channels } = await encodePixels(picture, (pixels) =>
    pixels.raw({ depth: "uchar" }),
  );
  return { heightPx: size.heightPx, widthPx: size.widthPx, pixels: asRgb(data, channels) };
}

/** Grey pictures come out with one channel; models take three. */
function asRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  const pixels = new Uint8Array((data.length / channels) * 3);
  for (let pixel = 0; pixel * channels < data.length; pixel += 1) {
    const grey = data[pixel * channels] as number;
    pixels[pixel * 3] = grey;
    pixels[pixel * 3 + 1] = grey;
    pixels[pixel * 3 + 2] = grey;
  }
  return pixels;
}
