import {
  bytesPerElement,
  elementCount,
  type FixedSizeTensor,
  fixedSizeTensor,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";
import type { ManifestInput, ManifestSignature } from "./manifest.ts";
import type { OnnxSession } from "./session/onnx-session.ts";

/**
 * Runs a signature once on zeros, so that the first caller does not pay for what an engine does at its first run.
 * Where the engine does not take the made-up tensors it is left at that: it need not be the model's fault.
 *
 * @throws ServingError UNAVAILABLE if the engine died of it
 */
export async function warmUpOnce(
  { inputs, outputs }: ManifestSignature,
  session: Pick<OnnxSession, "run">,
): Promise<void> {
  const feeds = new Map(Object.entries(inputs).map(([alias, input]) => zeros(alias, input)));
  const fetches = Object.entries(outputs).map(([alias, { tensor }]) => tensor ?? alias);
  try {
    await session.run(feeds, fetches);
  } catch (thrown) {
    const isRefused =
      thrown instanceof ServingError && thrown.grpcCode === grpcCode.INVALID_ARGUMENT;
    if (!isRefused) throw thrown;
  }
}

function zeros(
  alias: string,
  { dtype, shape, tensor, picture }: ManifestInput,
): readonly [string, FixedSizeTensor] {
  if (picture) {
    const { resize, layout } = picture.preprocessing;
    const { heightPx, widthPx } = resize.kind === "warp" ? resize : resize.crop;
    const pixels = layout === "nchw" ? [1, 3, heightPx, widthPx] : [1, heightPx, widthPx, 3];
    return [picture.tensor, zeroTensor("FP32", pixels)];
  }
  const fixed = dtype === "BYTES" ? "FP32" : dtype;
  const extents = shape.map((extent) => (extent === -1 ? 1 : extent));
  return [tensor ?? alias, zeroTensor(fixed, extents)];
}

/** @param shape - without open extents */
export function zeroTensor(
  dtype: FixedSizeTensor["dtype"],
  shape: readonly number[],
): FixedSizeTensor {
  const byteCount = elementCount(shape) * bytesPerElement[dtype];
  return fixedSizeTensor(dtype, shape, new Uint8Array(byteCount));
}
