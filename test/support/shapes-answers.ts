import { float32Tensor, type Tensor } from "@tensorgate/core";
import { shapesModel } from "./running-gateway.ts";

/** Outputs by which the shapes model says that a picture shows the first of its labels. */
export function shapesOutputs(): ReadonlyMap<string, Tensor> {
  const labelCount = shapesModel().labels?.length ?? 0;
  const scores = Float32Array.from({ length: labelCount }, (_, index) => (index === 0 ? 1 : 0));
  return new Map([["scores", float32Tensor([1, labelCount], scores)]]);
}
