import { float32Tensor } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import type { PreprocessInWorker } from "@tensorgate/imaging";
import { ServingError } from "@tensorgate/tf-serving";
import type { Manifest, ManifestOutput } from "../manifest.ts";
import { zeroTensor } from "../warm-up.ts";
import type { OnnxSession } from "./onnx-session.ts";

/** An empty tensor may claim any number of rows, and each would be answered. */
const maxBatch = 65_536;

/**
 * Creates a session without an engine: every answer is zeros of the right shape, without delay.
 * What is open in an output is the batch, as many as the first input has; further open extents are 1.
 */
export function createIdleSession({ signatures }: Manifest): Pick<OnnxSession, "run" | "close"> {
  const outputs = new Map<string, ManifestOutput>();
  for (const signature of Object.values(signatures)) {
    for (const [alias, output] of Object.entries(signature.outputs)) {
      outputs.set(output.tensor ?? alias, output);
    }
  }
  return {
    run: async (feeds, fetches) => {
      const batch = [...feeds.values()][0]?.shape[0] ?? 1;
      if (batch > maxBatch) {
        throw new ServingError(
          grpcCode.INVALID_ARGUMENT,
          `a batch of ${batch} exceeds the limit of ${maxBatch}`,
        );
      }
      return new Map(
        fetches.flatMap((name) => {
          const output = outputs.get(name);
          if (!output) return [];
          const { dtype, shape = [-1] } = output;
          const open = shape.indexOf(-1);
          const extents = shape.map((extent, axis) =>
            extent === -1 ? (axis === open ? batch : 1) : extent,
          );
          return [[name, zeroTensor(dtype, extents)] as const];
        }),
      );
    },
    close: async () => {},
  };
}

/** Decodes no picture: each becomes one black pixel. */
export const noPreprocessing: PreprocessInWorker = async () =>
  float32Tensor([1, 1, 1, 3], new Float32Array(3));
