import type { NetworkBuilder, Plane } from "./network-builder.ts";

/** Names that the graphs give their outputs; the manifest says what they are called outside. */
export const headOutputs = { scores: "output_alias", features: "features" } as const;

/** Classes of ImageNet. */
const classCount = 1_000;

/** The mean over the picture, shown as features `[N, 1, 1, channels]`, then 1000 probabilities `[N, 1000]`. */
export function pooledClassifier(network: NetworkBuilder, input: Plane, name: string): void {
  const { graph } = network;
  const { channels } = input;
  const pooled = graph.op("GlobalAveragePool", [input.name]);
  const flat = graph.op("Flatten", [pooled], { axis: 1 });
  showFeatures(network, pooled, channels);
  const logits = network.dense(flat, { name, inputs: channels, outputs: classCount });
  graph.op("Softmax", [logits], { axis: -1 }, headOutputs.scores);
  graph.output(headOutputs.scores, ["N", classCount]);
}

/** @param plane - name of a tensor `[N, channels, 1, 1]` */
export function showFeatures({ graph }: NetworkBuilder, plane: string, channels: number): void {
  graph.op("Transpose", [plane], { perm: [0, 2, 3, 1] }, headOutputs.features);
  graph.output(headOutputs.features, ["N", 1, 1, channels]);
}

/** 1000 logits `[N, 1000]` of a plane `[N, 1000, 1, 1]`. */
export function showLogits({ graph }: NetworkBuilder, { name }: Plane): void {
  graph.op("Flatten", [name], { axis: 1 }, headOutputs.scores);
  graph.output(headOutputs.scores, ["N", classCount]);
}
