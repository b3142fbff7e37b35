import {
  bytesPerElement,
  bytesTensor,
  type DType,
  elementCount,
  fixedSizeTensor,
  type Tensor,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { preprocessPicture, type RgbImage } from "@tensorgate/imaging";
import { ServingError } from "@tensorgate/tf-serving";
import type { PreparedInput, PreparedSignature } from "./prepared-signature.ts";
import type { OnnxSession } from "./session/onnx-session.ts";

/**
 * Runs a signature once on zeros, so that the first call does not pay for what an engine does at its first run. If the
 * engine rejects those tensors, the model is served all the same: it may be right to.
 *
 * @throws ServingError UNAVAILABLE if the session ended
 */
export async function warmUpOnce(
  { inputs, outputs, constants }: PreparedSignature,
  session: Pick<OnnxSession, "run">,
): Promise<void> {
  const feeds = new Map([...[...inputs.values()].flatMap(zeros), ...constants]);
  try {
    await session.run(feeds, [...new Set(outputs.values())]);
  } catch (thrown) {
    const isRefused =
      thrown instanceof ServingError && thrown.grpcCode === grpcCode.INVALID_ARGUMENT;
    if (!isRefused) throw thrown;
  }
}

/** Of a usual size: engines refuse pictures of a few pixels where the model takes any size. */
const blackPicture: RgbImage = { heightPx: 64, widthPx: 64, pixels: new Uint8Array(64 * 64 * 3) };

function zeros({
  dtype,
  shape = [1],
  tensor,
  picture,
  examples,
}: PreparedInput): readonly (readonly [string, Tensor])[] {
  if (picture) return [[picture.tensor, preprocessPicture(blackPicture, picture.preprocessing)]];
  if (examples) {
    return [...examples.features].map(([name, feature]) => [
      examples.tensors.get(name) ?? name,
      zeroTensor(feature.dtype, [1, ...feature.shape]),
    ]);
  }
  const extents = shape.map((extent) => (extent === -1 ? 1 : extent));
  return [[tensor, zeroTensor(dtype, extents)]];
}

/**
 * Makes a tensor of zeros, or of empty strings.
 *
 * @param shape - without open extents
 */
export function zeroTensor(dtype: DType, shape: readonly number[]): Tensor {
  if (dtype === "BYTES") {
    return bytesTensor(shape, new Array(elementCount(shape)).fill(new Uint8Array()));
  }
  const byteCount = elementCount(shape) * bytesPerElement[dtype];
  return fixedSizeTensor(dtype, shape, new Uint8Array(byteCount));
}
