export { decodableFormats, decodePicture, type RgbImage } from "./decode-picture.ts";
export {
  type DecoderPool,
  decoderPool,
  type PreprocessElsewhere,
} from "./decoders/decoder-pool.ts";
export { type DecoderOptions, decoderDefaults } from "./decoders/options.ts";
export { type PictureFormat, sniffFormat } from "./picture-format.ts";
export {
  assertPictureWithinLimits,
  type PictureHeader,
  type PictureLimits,
  type PictureSize,
  readPictureHeader,
} from "./picture-header.ts";
export {
  classifierPreprocessing,
  type Preprocessing,
  preprocessPicture,
  type Resize,
  ssdPreprocessing,
} from "./preprocess-picture.ts";
export { type Coordinates, resizeBilinear } from "./resize-bilinear.ts";
