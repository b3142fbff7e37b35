import {
  type BytesTensor,
  type FixedSizeTensor,
  fixedSizeTensor,
  ScoringError,
  type Tensor,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import type { PreprocessInWorker } from "@tensorgate/imaging";
import { parseExamples, ServingError, servingErrors } from "@tensorgate/tf-serving";
import type { PreparedInput } from "./prepared-signature.ts";

/** Most pixels of a picture that is decoded. */
const maxPixels = 25_000_000;

export interface InputToFeed {
  readonly input: PreparedInput;
  /** As it was sent. */
  readonly tensor: Tensor;
}

/**
 * Makes what the ONNX model takes of an input: the tensor as it is, pictures decoded, or the features of examples.
 *
 * @returns tensors by their names in the ONNX model
 * @throws ServingError for pictures or examples that cannot be read
 */
export async function feedsOf(
  { input, tensor }: InputToFeed,
  preprocess: PreprocessInWorker,
): Promise<ReadonlyMap<string, Tensor>> {
  const { alias, picture, examples } = input;
  if (!picture && !examples) return new Map([[input.tensor, tensor]]);
  if (tensor.dtype !== "BYTES") throw servingErrors.wrongDType("string", tensor.dtype);
  if (picture) {
    const decode = (bytes: Uint8Array) =>
      preprocess(bytes, picture.preprocessing, { maxPixels }, { signal: neverAborted });
    return new Map([[picture.tensor, await decodedPictures(alias, tensor, decode)]]);
  }
  const parsed = parseExamples(tensor.elements, examples?.features ?? new Map());
  return new Map(
    [...parsed].map(([feature, values]) => [examples?.tensors.get(feature) ?? feature, values]),
  );
}

/** Work that has begun is finished: the engine cannot be aborted either. */
const neverAborted = new AbortController().signal;

/** @returns what the model takes of N encoded pictures, as one tensor */
async function decodedPictures(
  alias: string,
  { elements }: BytesTensor,
  decode: (bytes: Uint8Array) => Promise<FixedSizeTensor>,
): Promise<FixedSizeTensor> {
  if (elements.length === 0) {
    throw new ServingError(grpcCode.INVALID_ARGUMENT, `input ${alias} contains no picture`);
  }
  const tensors: FixedSizeTensor[] = [];
  for (const [index, bytes] of elements.entries()) {
    try {
      tensors.push(await decode(bytes));
    } catch (thrown) {
      if (!ScoringError.is(thrown)) throw thrown;
      const text = `input ${alias}, picture ${index}: ${thrown.message}`;
      const isOurs = thrown.reason === "overloaded" || thrown.reason === "internal";
      const code = isOurs ? grpcCode.UNAVAILABLE : grpcCode.INVALID_ARGUMENT;
      throw new ServingError(code, text, { cause: thrown });
    }
  }
  return stacked(tensors);
}

/** Tensors of a batch of one as one batch. */
function stacked(tensors: readonly FixedSizeTensor[]): FixedSizeTensor {
  const [first] = tensors;
  if (!first) throw new RangeError("nothing to stack");
  if (tensors.length === 1) return first;
  const { dtype, shape } = first;
  const size = first.data.byteLength;
  const data = new Uint8Array(size * tensors.length);
  tensors.forEach((tensor, index) => {
    if (String(tensor.shape) !== String(shape) || shape[0] !== 1) {
      throw new ServingError(
        grpcCode.INVALID_ARGUMENT,
        `pictures of shapes [${shape}] and [${tensor.shape}] cannot be scored together`,
      );
    }
    data.set(tensor.data, index * size);
  });
  return fixedSizeTensor(dtype, [tensors.length, ...shape.slice(1)], data);
}
