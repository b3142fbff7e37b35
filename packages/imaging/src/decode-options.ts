import type { PictureFormat } from "./header/header-info.ts";
import type { PictureLimits } from "./header/picture-header.ts";

export interface DecodeOptions extends PictureLimits {
  /**
   * Turns the picture as its Exif says. TensorFlow's decoders do not.
   * @default false
   */
  readonly oriented?: boolean;
  /**
   * Formats to decode beside `decodableFormats`.
   * @default []
   */
  readonly additionalFormats?: readonly OptionalFormat[];
}

/** Formats that are decoded only where `additionalFormats` lists them: their decoders are large, and seldom needed. */
export const optionalFormats = ["tiff", "heic"] as const;

export type OptionalFormat = (typeof optionalFormats)[number];

/** Formats that this package decodes. */
export const decodableFormats: ReadonlySet<PictureFormat> = new Set([
  "jpeg",
  "png",
  "gif",
  "webp",
  "avif",
]);
