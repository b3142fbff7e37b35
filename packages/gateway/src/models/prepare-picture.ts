import { bytesTensor, type CallContext, type Clock, type Tensor } from "@tensorgate/core";
import {
  assertPictureWithinLimits,
  type ConvertInWorker,
  needsNoConversion,
  orientedSize,
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
  /** Makes pixels of what a model takes as pixels. */
  readonly preprocess: PreprocessInWorker;
  /** Makes what a model could not read, or would read wrongly, a plain picture. */
  readonly convert: ConvertInWorker;
  readonly options: Required<PictureOptions>;
  readonly clock: Clock;
}

export type PreparePicture = (
  bytes: Uint8Array,
  input: PictureInput,
  call: CallContext,
) => Promise<PreparedPicture>;

/**
 * Makes of an encoded picture what a model takes.
 *
 * What the model reads as people see it is sent in the buffer it came in: only its header is looked at. Anything else
 * is decoded in a process of its own, turned upright, and sent as a PNG, a JPEG or pixels.
 */
export function createPicturePreparer({
  preprocess,
  convert,
  options,
  clock,
}: PictureDeps): PreparePicture {
  const { maxPixels, maxSidePx, additionalFormats } = options;
  const decoding = { maxPixels, maxSidePx, additionalFormats, oriented: true };

  return async (bytes, input, call) => {
    const header = readPictureHeader(bytes);
    assertPictureWithinLimits(header, { maxPixels, maxSidePx });
    const size = header.size && orientedSize(header.size, header.orientation);
    const { preprocessing, formats } = input;
    const encodedShape = input.isScalar ? [] : [1];
    if (!preprocessing && size && needsNoConversion(header, formats)) {
      return { tensor: { dtype: "BYTES", shape: encodedShape, elements: [bytes] }, size };
    }
    const startedMs = clock.nowMs();
    try {
      if (preprocessing && size) {
        return { tensor: await preprocess(bytes, preprocessing, decoding, call), size };
      }
      const converted = await convert(bytes, decoding, call);
      const tensor = preprocessing
        ? await preprocess(converted.bytes, preprocessing, decoding, call)
        : bytesTensor(encodedShape, [converted.bytes]);
      return { tensor, size: converted.size };
    } finally {
      call.times.add("decode", clock.nowMs() - startedMs);
    }
  };
}
