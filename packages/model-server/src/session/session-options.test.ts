import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { createGraphBuilder } from "../onnx/graph-builder.ts";
import { sessionOptions } from "./session-options.ts";

/** A Pad of zeros before a MaxPool. */
function paddedPool(): Uint8Array {
  const graph = createGraphBuilder("padded_pool");
  graph.input("x", [1, 1, 4, 4]);
  const padded = graph.op("Pad", ["x", graph.integers([0, 0, 1, 1, 0, 0, 1, 1])]);
  graph.op("MaxPool", [padded], { kernel_shape: [3, 3], strides: [2, 2] }, "y");
  graph.output("y", [1, 1, 2, 2]);
  return graph.finish();
}

async function pooled(options: InferenceSession.SessionOptions): Promise<readonly number[]> {
  const session = await InferenceSession.create(paddedPool(), options);
  const x = new Tensor("float32", new Float32Array(16).fill(-1), [1, 1, 4, 4]);
  const { y = x } = await session.run({ x });
  await session.release();
  return [...(y.data as Float32Array)];
}

test("zeros around a picture are larger than its negative pixels", async () => {
  expect(await pooled(sessionOptions(1))).toEqual([0, 0, 0, -1]);
});

// If this fails, the engine was put right, and the optimizer can be switched on again.
test("without the options the engine's optimizer loses the zeros", async () => {
  expect(await pooled({ logSeverityLevel: 4 })).toEqual([-1, -1, -1, -1]);
});
