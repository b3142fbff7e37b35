import { InferenceSession, Tensor } from "onnxruntime-node";
import { classCount } from "./network.ts";

/**
 * Share of pictures whose highest score is their class, 0..1.
 *
 * @param model - a serving graph
 * @param batches - pictures as floats `[n, sizePx, sizePx, 3]`, with the index of each one's class
 */
export async function accuracyOf(
  model: Uint8Array,
  sizePx: number,
  batches: Iterable<{ readonly pictures: Float32Array; readonly classes: Uint8Array }>,
): Promise<number> {
  const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
  let right = 0;
  let total = 0;
  for (const { pictures, classes } of batches) {
    const shape = [classes.length, sizePx, sizePx, 3];
    const { scores } = await session.run({ images: new Tensor("float32", pictures, shape) });
    right += countRight(scores?.data as Float32Array, classes);
    total += classes.length;
  }
  await session.release();
  return right / total;
}

/** How many rows of `scores` `[n, classes]` are highest at the right class. */
export function countRight(scores: Float32Array, classes: Uint8Array): number {
  return classes.reduce((count, truth, row) => {
    const ofRow = scores.subarray(row * classCount, (row + 1) * classCount);
    return count + (ofRow.indexOf(Math.max(...ofRow)) === truth ? 1 : 0);
  }, 0);
}
