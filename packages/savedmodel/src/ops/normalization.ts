import { type OpCall, type OpHandler, refuse, tensorInput } from "../convert/op-call.ts";
import { axisIn } from "../convert/tensor-tools.ts";
import type { TensorValue, Value } from "../convert/value.ts";
import { attributeFlag, attributeFloat } from "../read/attributes.ts";
import { channelsFirst, isChannelsFirst } from "./convolution.ts";

function batchNorm(call: OpCall): readonly Value[] {
  if (attributeFlag(call.node, "is_training", true)) refuse("in training");
  const source = tensorInput(call, 0);
  const input = channelsFirst(call, source);
  const vectors = [1, 2, 3, 4].map((index) => call.tools.plain(tensorInput(call, index)));
  const name = call.tools.graph.op("BatchNormalization", [input.name, ...vectors], {
    epsilon: { float: attributeFloat(call.node, "epsilon", 1e-4) },
  });
  const { dtype, shape } = source;
  return [call.tools.made(name, { dtype, shape, layout: input.layout })];
}

/** Adds a vector along the channels. */
function addBias(call: OpCall): TensorValue {
  const [value, bias] = [tensorInput(call, 0), tensorInput(call, 1)];
  const { graph, plain, aligned, made } = call.tools;
  const { dtype, shape } = value;
  const isFirst = call.node.op === "BiasAdd" && isChannelsFirst(call);
  if (!isFirst) {
    const { names, layout } = aligned([value, bias]);
    return made(graph.op("Add", names), { dtype, shape, layout });
  }
  const axes = Array.from({ length: (shape?.length ?? 4) - 2 }, (_, axis) => axis + 1);
  const vector = graph.op("Unsqueeze", [plain(bias), graph.integers(axes)]);
  return made(graph.op("Add", [plain(value), vector]), { dtype, shape });
}

/** Along the last axis, wherever that is. */
function softmax(type: "Softmax" | "LogSoftmax"): OpHandler {
  return (call) => {
    const value = tensorInput(call, 0);
    const { dtype, shape, layout } = value;
    const axis = layout === "nchw" ? axisIn(layout, 3) : -1;
    const name = call.tools.graph.op(type, [call.tools.nameIn(value, layout)], { axis });
    return call.tools.made(name, { dtype, shape, layout });
  };
}

export const normalizationOps: readonly (readonly [string, OpHandler])[] = [
  ["FusedBatchNorm", batchNorm],
  ["FusedBatchNormV2", batchNorm],
  ["FusedBatchNormV3", batchNorm],
  ["BiasAdd", addBias],
  ["BiasAddV1", addBias],
  ["Softmax", softmax("Softmax")],
  ["LogSoftmax", softmax("LogSoftmax")],
];
