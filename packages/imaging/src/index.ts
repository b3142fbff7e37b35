export { type ConvertedPicture, isReadAsSeen } from "./convert-picture.ts";
export { decodePicture, type RgbImage } from "./decode-picture.ts";
export {
  type ConvertElsewhere,
  type DecoderPool,
  decoderPool,
  type PreprocessElsewhere,
} from "./decoders/decoder-pool.ts";
export { type DecoderOptions, decoderDefaults } from "./decoders/options.ts";
export { type PictureFormat, sniffFormat } from "./header/picture-format.ts";
export {
  assertPictureWithinLimits,
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
