export { type ConvertedPicture, isReadAsSeen } from "./convert-picture.ts";
export { decodePicture, type RgbImage } from "./decode-picture.ts";
export type { ConvertElsewhere, DecodeCall, PreprocessElsewhere } from "./decoders/decode-call.ts";
export { type DecoderPool, decoderPool } from "./decoders/decoder-pool.ts";
export { type DecoderOptions, decoderDefaults } from "./decoders/options.ts";
export { type PictureFormat, sniffFormat } from "./header/picture-format.ts";
export {
  assertPictureWithinLimits,
  defaultMaxSidePx,
  type PictureHeader,
  type PictureLimits,
  type PictureSize,
  readPictureHeader,
  uprightSize,
} from "./header/picture-header.ts";
export {
  type DecodeOptions,
  decodableFormats,
  type OptionalFormat,
  optionalFormats,
} from "./open-picture.ts";
export { preprocessPicture } from "./preprocess-picture.ts";
export { resizeBilinear } from "./resize-bilinear.ts";
