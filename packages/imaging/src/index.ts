export type { ConvertedPicture } from "./convert-picture.ts";
export {
  type DecodeOptions,
  decodableFormats,
  type OptionalFormat,
  optionalFormats,
} from "./decode-options.ts";
export type { RgbImage } from "./decode-picture.ts";
export type { ConvertInWorker, DecodeCall, PreprocessInWorker } from "./decoders/decode-call.ts";
export { createDecoderPool, type DecoderPool } from "./decoders/decoder-pool.ts";
export { type DecoderOptions, decoderDefaults } from "./decoders/options.ts";
export type { PictureFormat, PictureSize } from "./header/header-info.ts";
export {
  assertPictureWithinLimits,
  defaultMaxSidePx,
  needsNoConversion,
  orientedSize,
  type PictureHeader,
  type PictureLimits,
  readPictureHeader,
  sniffFormat,
} from "./header/picture-header.ts";
export { preprocessPicture } from "./preprocess-picture.ts";
export { resizeBilinear } from "./resize-bilinear.ts";
