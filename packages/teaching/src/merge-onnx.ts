import {
  fieldTag,
  InvalidRequestError,
  joined,
  listedNames,
  MalformedMessageError,
  MessageReader,
  MessageWriter,
  wireType,
} from "@tensorgate/core";
import { floatBytes } from "./float-text.ts";
import type { Head } from "./head.ts";

// Numbers of fields. @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
const modelGraph = fieldTag(7);
const graphNode = 1;
const graphInitializer = 5;
const graphOutput = 12;
const nodeOutput = fieldTag(2);
const valueName = fieldTag(1);
const floatType = 1;

/** A backbone and a head as one model. */
export interface MergedModel {
  readonly onnx: Uint8Array;
  /** Name of its only output: probabilities of shape `[N, classes]`. */
  readonly output: string;
}

/**
 * Puts a head behind an ONNX model: `Softmax(Gemm(Flatten(features), weights, bias))` is its only output then. The rest of
 * the model stays byte for byte.
 *
 * The features are the output of shape `[N, featureCount]`, further axes of extent 1 aside; of several the one that is
 * called `features`.
 *
 * @throws InvalidRequestError if it is no ONNX model, or has no such output
 */
export function mergedOnnx(model: Uint8Array, head: Head): MergedModel {
  try {
    return merged(model, head);
  } catch (thrown) {
    if (!(thrown instanceof MalformedMessageError)) throw thrown;
    throw new InvalidRequestError(`not an ONNX model: ${thrown.message}`);
  }
}

function merged(model: Uint8Array, head: Head): MergedModel {
  const parts: Uint8Array[] = [];
  let output: string | undefined;
  for (const { tag, value, whole } of fieldsOf(model)) {
    if (tag !== modelGraph) {
      parts.push(whole);
      continue;
    }
    const graph = mergedGraph(value, head);
    output = graph.output;
    parts.push(...new MessageWriter().bytesField(7, graph.bytes).finish());
  }
  if (output === undefined) throw new InvalidRequestError("not an ONNX model: it has no graph");
  return { onnx: joined(parts), output };
}

function mergedGraph(graph: Uint8Array, head: Head) {
  const kept: Uint8Array[] = [];
  const outputs: DeclaredOutput[] = [];
  const tensors = new Set<string>();
  for (const { tag, value, whole } of fieldsOf(graph)) {
    if (tag === fieldTag(graphOutput)) {
      outputs.push(declaredOutput(value));
      continue;
    }
    if (tag === fieldTag(graphNode)) {
      for (const name of namesIn(value, nodeOutput)) tensors.add(name);
    }
    kept.push(whole);
  }
  const featuresOutput = featuresAmong(outputs, head.featureCount);
  const output = tensors.has("probabilities") ? "head_probabilities" : "probabilities";
  const { classes, featureCount, weights, bias } = head;
  const writer = new MessageWriter();
  const node = (type: string, inputs: readonly string[], to: string, axis?: number) => {
    const message = new MessageWriter();
    for (const input of inputs) message.stringField(1, input);
    message.stringField(2, to).stringField(3, `tensorgate_head/${type}`).stringField(4, type);
    if (axis !== undefined) message.messageField(5, integer("axis", axis));
    if (type === "Gemm") message.messageField(5, integer("transB", 1));
    writer.messageField(graphNode, message);
  };
  node("Flatten", [featuresOutput], "tensorgate_head/features", 1);
  node("Gemm", gemmInputs, "tensorgate_head/logits");
  node("Softmax", ["tensorgate_head/logits"], output, 1);
  const [, weightsName = "", biasName = ""] = gemmInputs;
  writer
    .messageField(graphInitializer, constant(weightsName, [classes.length, featureCount], weights))
    .messageField(graphInitializer, constant(biasName, [classes.length], bias))
    .messageField(graphOutput, declared(output, classes.length));
  return { bytes: joined([...kept, ...writer.finish()]), output };
}

const gemmInputs = ["tensorgate_head/features", "tensorgate_head/weights", "tensorgate_head/bias"];

function integer(name: string, value: number): MessageWriter {
  const attributeTypeInt = 2;
  return new MessageWriter()
    .stringField(1, name)
    .varintField(3, value)
    .varintField(20, attributeTypeInt);
}

function constant(name: string, dims: readonly number[], values: Float32Array): MessageWriter {
  const tensor = new MessageWriter();
  for (const extent of dims) tensor.varintField(1, extent);
  return tensor.varintField(2, floatType).stringField(8, name).bytesField(9, floatBytes(values));
}

/** Declares an output of shape `[N, classCount]`. */
function declared(name: string, classCount: number): MessageWriter {
  const shape = new MessageWriter()
    .messageField(1, new MessageWriter().stringField(2, "N"))
    .messageField(1, new MessageWriter().varintField(1, classCount));
  const tensor = new MessageWriter().varintField(1, floatType).messageField(2, shape);
  return new MessageWriter()
    .stringField(1, name)
    .messageField(2, new MessageWriter().messageField(1, tensor));
}

interface DeclaredOutput {
  readonly name: string;
  /** Product of its extents, open ones aside. */
  readonly size: number;
}

function declaredOutput(value: Uint8Array): DeclaredOutput {
  const [name = ""] = namesIn(value, valueName);
  let size = 1;
  const tensorTypes = messagesIn(messagesIn([value], fieldTag(2)), fieldTag(1));
  for (const dim of messagesIn(messagesIn(tensorTypes, fieldTag(2)), fieldTag(1))) {
    const reader = new MessageReader(dim);
    while (reader.next()) {
      if (reader.tag === fieldTag(1, wireType.varint)) size *= Number(reader.int64());
      else reader.skip();
    }
  }
  return { name, size };
}

function featuresAmong(outputs: readonly DeclaredOutput[], featureCount: number): string {
  const fitting = outputs.filter(({ size }) => size === featureCount);
  const [first, second] = fitting;
  const found = second ? fitting.find(({ name }) => name === "features") : first;
  if (found) return found.name;
  throw new InvalidRequestError(
    `the ONNX model has ${second ? "several outputs" : "no output"} of ${featureCount} features; its outputs: ${listedNames(outputs.map(({ name }) => name))}`,
    { hint: "call the one with the features `features`" },
  );
}

/** Returns the values of a field in several messages. */
function messagesIn(messages: readonly Uint8Array[], wanted: number): readonly Uint8Array[] {
  return messages.flatMap((message) =>
    [...fieldsOf(message)].flatMap(({ tag, value }) => (tag === wanted ? [value] : [])),
  );
}

interface Field {
  readonly tag: number;
  readonly value: Uint8Array;
  /** With its tag and length. */
  readonly whole: Uint8Array;
}

function* fieldsOf(message: Uint8Array): Iterable<Field> {
  const reader = new MessageReader(message);
  let from = 0;
  while (reader.next()) {
    const { tag } = reader;
    const value = reader.bytes();
    yield { tag, value, whole: message.subarray(from, reader.position) };
    from = reader.position;
  }
}

function namesIn(message: Uint8Array, wanted: number): readonly string[] {
  const names: string[] = [];
  const reader = new MessageReader(message);
  while (reader.next()) {
    if (reader.tag === wanted) names.push(reader.name());
    else reader.skip();
  }
  return names;
}
