// What decodes in this process: it loads libvips, which everything else of this package leaves to the decoders' processes.
export { decodePicture } from "./decode-picture.ts";
