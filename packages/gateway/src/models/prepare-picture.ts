import { bytesTensor, type CallContext, type Clock, type Tensor } from "@tensorgate/core";
import {
  assertPictureWithinLimits,
  type ConvertInWorker,
  needsNoConversion,
  orientedSize,
  type PictureHeader,
  type PictureSize,
  type PreprocessInWorker,
  readPictureHeader,
} from "@tensorgate/imaging";
import type { PictureOptions } from "./options.ts";
import type { PictureInput } from "./picture-input.ts";

/** A picture as its model takes it. */
export interface PreparedPicture {
  /** BYTES `[1]`, or `[]` for a model that takes a scalar; or the pixels of one picture. */
  readonly tensor: Tensor;
  /** Turned as its orientation says. */
  readonly size: PictureSize;
}

export interface PictureDeps {
  /** Decodes a picture to the pixels that a model takes. */
  readonly preprocess: PreprocessInWorker;
  /** Converts a picture that a model could not decode, or would decode wrongly, to a plain one. */
  readonly convert: ConvertInWorker;
  readonly options: Required<PictureOptions>;
  readonly clock: Clock;
}

/**
 * Prepares a picture: immediately if nothing of it has to be decoded.
 *
 * @throws UnsupportedMediaError if it is not a picture; TooLargeError if it is over a limit
 */
export type PreparePicture = (
  bytes: Uint8Array,
  input: PictureInput,
  call: CallContext,
) => PreparedPicture | Promise<PreparedPicture>;

interface EncodedPicture {
  readonly bytes: Uint8Array;
  readonly header: PictureHeader;
  readonly input: PictureInput;
}

/**
 * Converts an encoded picture to what a model takes.
 *
 * If the model decodes the picture as people see it, only its header is read, and it is sent in the buffer that it came
 * in. Any other picture is decoded in a separate process, turned upright, and sent as a PNG, a JPEG or pixels.
 */
export function createPicturePreparer(deps: PictureDeps): PreparePicture {
  const { preprocess, convert, options, clock } = deps;
  const { maxPixels, maxSidePx, additionalFormats } = options;
  const decoding = { maxPixels, maxSidePx, additionalFormats, oriented: true };

  return (bytes, input, call) => {
    const header = readPictureHeader(bytes);
    assertPictureWithinLimits(header, decoding);
    if (input.preprocessing || !header.size || !needsNoConversion(header, input.formats)) {
      return decoded({ bytes, header, input }, call);
    }
    const shape = input.isScalar ? [] : [1];
    return { tensor: { dtype: "BYTES", shape, elements: [bytes] }, size: header.size };
  };

  async function decoded(
    { bytes, header, input }: EncodedPicture,
    call: CallContext,
  ): Promise<PreparedPicture> {
    const { preprocessing } = input;
    const startedMs = clock.nowMs();
    try {
      if (preprocessing && header.size) {
        const size = orientedSize(header.size, header.orientation);
        return { tensor: await preprocess(bytes, preprocessing, decoding, call), size };
      }
      const converted = await convert(bytes, decoding, call);
      const tensor = preprocessing
        ? await preprocess(converted.bytes, preprocessing, decoding, call)
        : bytesTensor(input.isScalar ? [] : [1], [converted.bytes]);
      return { tensor, size: converted.size };
    } finally {
      call.times.add("decode", clock.nowMs() - startedMs);
    }
  }
}
