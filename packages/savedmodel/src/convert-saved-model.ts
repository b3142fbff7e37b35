import { setImmediate } from "node:timers/promises";
import type { Preprocessing, TensorInfo } from "@tensorgate/core";
import { controlFlow } from "./convert/control-flow.ts";
import { createEvaluator, type Frame } from "./convert/evaluator.ts";
import { type ExampleFeature, exampleParsers, type FoundFeature } from "./convert/examples.ts";
import { type NamedTensor, namedTensors } from "./convert/named-tensors.ts";
import { createOnnxGraph } from "./convert/onnx-graph.ts";
import { sourceOps } from "./convert/sources.ts";
import { assertStateless } from "./convert/state.ts";
import { createTensorTools } from "./convert/tensor-tools.ts";
import type { TensorValue, Value } from "./convert/value.ts";
import { type ConversionLimits, conversionLimitDefaults } from "./limits.ts";
import { opTable } from "./ops/table.ts";
import {
  type FoundPreprocessing,
  type PreparedPicture,
  pictureLoops,
} from "./preprocessing/picture-loops.ts";
import { decode, pictureOps } from "./preprocessing/picture-ops.ts";
import type { DecodedPicture } from "./preprocessing/picture-planes.ts";
import { indexGraph, tensorPlace } from "./read/graph-index.ts";
import { readModel } from "./read/read-model.ts";
import { SavedModelError, type UnsupportedOperator } from "./saved-model-error.ts";

export interface ConvertOptions {
  /** Signature to convert. By default `serving_default`, or the first one. */
  readonly signature?: string | undefined;
  /** Tensors that are fed, such as `Placeholder:0`. By default those of the signature. */
  readonly inputs?: readonly string[] | undefined;
  /** Tensors that are computed. By default those of the signature. */
  readonly outputs?: readonly string[] | undefined;
  readonly limits?: ConversionLimits | undefined;
  /** Pictures of which it is computed what the graph makes of them before its network. */
  readonly pictures?: readonly DecodedPicture[] | undefined;
  /** Called now and then with the number of nodes that were converted so far. */
  readonly onProgress?: ((nodeCount: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An input or an output of a converted model. */
export interface ConvertedTensor extends TensorInfo {
  /** In the ONNX model. */
  readonly name: string;
  /** In the signature; the name of its node if no signature has it. */
  readonly key: string;
  /** In TensorFlow's graph, such as `Placeholder:0`. */
  readonly graphName: string;
}

export interface ConvertedOutput extends ConvertedTensor {
  /** Whether it is the result of a softmax. */
  readonly isSoftmax: boolean;
}

export interface ConvertedInput extends ConvertedTensor {
  /**
   * How an encoded picture becomes this input, where the graph decoded pictures itself. Its signature takes BYTES of any
   * number of pictures; `dtype` and `shape` are of the pixels.
   */
  readonly preprocessing?: Preprocessing;
  /**
   * Features of serialized `tensorflow.Example`s, where the graph parsed them itself: the ONNX model takes these. The
   * signature takes BYTES of any number of examples.
   */
  readonly features?: readonly ExampleFeature[];
}

export interface Conversion {
  /** The model, serialized: the same bytes for the same input. */
  readonly onnx: Uint8Array;
  readonly nodeCount: number;
  /** Numbers in the weights. */
  readonly parameterCount: number;
  readonly inputs: readonly ConvertedInput[];
  readonly outputs: readonly ConvertedOutput[];
  /** Of the input of pictures, if there is one. */
  readonly preprocessing: Preprocessing | undefined;
  /** What the graph itself makes of `pictures`; empty if it takes no pictures. */
  readonly prepared: readonly PreparedPicture[];
  /** Signature whose tensors were converted; undefined for a frozen graph. */
  readonly signatureName: string | undefined;
  /** What that says it is for, such as `tensorflow/serving/regress`. */
  readonly methodName: string | undefined;
  /** Each a line for a log. */
  readonly warnings: readonly string[];
}

/**
 * Converts a SavedModel or a frozen graph to ONNX: from the inputs to the outputs that are named, or to those of a
 * signature. A map over encoded pictures in front becomes `preprocessing`. The conversion yields to other work now and
 * then, but is best run in its own process.
 *
 * @param path - the folder of a SavedModel, or a frozen graph (`.pb`) or its folder
 * @throws SavedModelError if the model cannot be read, keeps state, exceeds a limit, or has operators without a
 *   conversion, all of which are listed; the reason of `signal` if it is aborted
 */
export async function convertSavedModel(
  path: string,
  options: ConvertOptions = {},
): Promise<Conversion> {
  const limits = { ...conversionLimitDefaults, ...options.limits };
  const model = readModel(path, limits);
  const index = indexGraph(model.graph);
  const { signatureName, inputs, outputs } = namedTensors(model, index.main, options);
  assertStateless(
    model,
    index,
    outputs.map(({ graphName }) => graphName),
  );

  const graph = createOnnxGraph(limits.maxModelBytes);
  const tools = createTensorTools(graph, limits.maxFoldedBytes);
  const warnings: string[] = [];
  const found: FoundPreprocessing[] = [];
  const features: FoundFeature[] = [];
  const main: Frame = {
    body: index.main,
    path: "",
    depth: 0,
    arguments: new Map(),
    values: new Map(),
  };
  for (const input of inputs) {
    const { name, output } = tensorPlace(input.graphName, index.main);
    main.values.set(`${name}:${output}`, inputValue(input));
  }
  const names = outputs.map(({ key }) => graph.reserve(key));
  const evaluator = createEvaluator({
    tools,
    handlers: new Map([...opTable, ...sourceOps({ model, index, limits }), ...decodeOps]),
    specials: new Map([
      ...controlFlow({ index, tools, maxDepth: limits.maxDepth }),
      ...pictureLoops({
        index,
        tools,
        pictures: options.pictures ?? [],
        onFound: (each) => found.push(each),
        onWarning: (text) => warnings.push(text),
      }),
      ...exampleParsers({ tools, onFound: (each) => features.push(each) }),
    ]),
    pictureHandlers: pictureOps,
    maxNodes: limits.maxNodes,
    onPause: async (nodeCount) => {
      options.onProgress?.(nodeCount);
      await setImmediate();
      options.signal?.throwIfAborted();
    },
  });

  const values: TensorValue[] = [];
  for (const { key, graphName } of outputs) {
    const value = await evaluator.value({ frame: main, tensor: graphName });
    if (value.kind === "tensor") values.push(value);
    else if (value.kind !== "poison") {
      throw new SavedModelError("unsupported", `output ${key} is a ${value.kind}, not a tensor`);
    }
  }
  assertSupported(evaluator.unsupported);
  const converted = outputs.map(({ key, graphName, shape: declared }, at): ConvertedOutput => {
    const value = values[at] as TensorValue;
    const info = { dtype: value.dtype, shape: declared ?? value.shape };
    const name = names[at] as string;
    graph.name(`output/${key}`);
    const tensor = tools.plain(value);
    graph.output(name, tensor, info);
    return { name, key, graphName, ...info, isSoftmax: graph.producer(tensor) === "Softmax" };
  });
  const { model: onnx, ...counts } = graph.finish();
  return {
    onnx,
    ...counts,
    inputs: convertedInputs(inputs, found, features),
    outputs: converted,
    preprocessing: found[0]?.preprocessing,
    prepared: found[0]?.prepared ?? [],
    signatureName,
    methodName: model.signatures.get(signatureName ?? "")?.methodName,
    warnings,
  };

  function inputValue({ key, graphName, dtype, shape }: NamedTensor): Value {
    if (dtype === undefined) {
      throw new SavedModelError("unsupported", `the data type of input ${graphName} is not known`);
    }
    if (dtype === "BYTES") return { kind: "text", input: key, isElement: false, size: undefined };
    graph.name(key);
    return tools.made(graph.input(key, { dtype, shape }), { dtype, shape });
  }
}

const decodeOps = ["DecodeJpeg", "DecodePng", "DecodeBmp", "DecodeGif", "DecodeImage"].map(
  (op) => [op, decode] as const,
);

/** Text that no output needs is left out: nothing in ONNX would take it. */
function convertedInputs(
  inputs: readonly NamedTensor[],
  found: readonly FoundPreprocessing[],
  features: readonly FoundFeature[],
): readonly ConvertedInput[] {
  return inputs.flatMap(({ key, graphName, dtype, shape }): readonly ConvertedInput[] => {
    if (dtype !== undefined && dtype !== "BYTES")
      return [{ name: key, key, graphName, dtype, shape }];
    const ofExamples = features.filter(({ input }) => input === key);
    if (ofExamples.length > 0) {
      return [
        {
          name: key,
          key,
          graphName,
          dtype: "BYTES",
          shape: [-1],
          features: ofExamples.map(({ feature }) => feature),
        },
      ];
    }
    return found
      .filter(({ input }) => input === key)
      .map(({ input, shape: pixels, preprocessing }) => ({
        name: input,
        key,
        graphName,
        dtype: "FP32",
        shape: pixels,
        preprocessing,
      }));
  });
}

/** Most nodes of an operator that a message lists. */
const maxListedNodes = 3;

function assertSupported(operators: readonly UnsupportedOperator[]): void {
  if (operators.length === 0) return;
  const lines = operators.map(({ op, reason, nodes }) => {
    const more = nodes.length > maxListedNodes ? ` and ${nodes.length - maxListedNodes} more` : "";
    return `  ${op}: ${reason} (${nodes.slice(0, maxListedNodes).join(", ")}${more})`;
  });
  throw new SavedModelError("unsupported", `operators without a conversion:\n${lines.join("\n")}`, {
    operators,
  });
}
