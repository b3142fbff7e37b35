import type {
  AnsweringModel,
  ModelSpec,
  ScoreRequest,
  ScoreResponse,
  Tensor,
  WorkBudget,
} from "@tensorgate/core";
import { createTensorBudget, type TensorBudget, TensorParsingError } from "./tensor-budget.ts";
import { readTensorProto } from "./tensor-proto-reader.ts";
import { type TensorEncoding, tensorProtoWriter } from "./tensor-proto-writer.ts";
import { MessageReader, wireType } from "./wire/message-reader.ts";
import { MessageWriter } from "./wire/message-writer.ts";

/** Field numbers of `tensorflow.serving.PredictRequest` and `PredictResponse`. */
const requestField = { modelSpec: 1, inputs: 2, outputFilter: 3 } as const;
const responseField = { outputs: 1, modelSpec: 2 } as const;

/**
 * Frames a `PredictRequest` around its tensors: the segments, one after the other, are the message.
 * A picture among them is the very bytes that were handed in.
 */
export function predictRequestSegments({
  modelSpec,
  inputs,
  outputFilter,
}: ScoreRequest): readonly Uint8Array[] {
  const writer = new MessageWriter().messageField(
    requestField.modelSpec,
    modelSpecWriter(modelSpec),
  );
  writeTensors(writer, requestField.inputs, { tensors: inputs, encoding: "content" });
  for (const name of outputFilter) writer.stringField(requestField.outputFilter, name);
  return writer.finish();
}

/**
 * Reads a `PredictResponse`; the tensors view `message`.
 *
 * @param asked - stands in for what the reply leaves out of its model spec: not every backend fills it in
 * @throws MalformedMessageError, TensorParsingError; TooLargeError if the message has more elements than the budget,
 *   or a name is longer than a key may be
 */
export function scoreResponseFromPredictResponse(
  message: Uint8Array,
  asked: ModelSpec,
  budget: TensorBudget = createTensorBudget(),
): ScoreResponse {
  const { elements } = budget;
  const outputs = new Map<string, Tensor>();
  let spec: ModelSpec = asked;
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    if (reader.is(responseField.outputs, wireType.lengthDelimited)) {
      const { name, tensor } = readEntry(reader.bytes(), elements);
      outputs.set(name, readTensorProto(tensor, budget));
    } else if (reader.is(responseField.modelSpec, wireType.lengthDelimited)) {
      spec = readModelSpec(reader.bytes(), elements);
    } else reader.skip();
  }
  const version = spec.version ?? asked.version ?? 0n;
  return { model: { name: spec.name || asked.name, version }, outputs };
}

/** An input that could not be read, by its name in the signature. */
export class InputParsingError extends Error {
  override readonly name = "InputParsingError";
  readonly alias: string;

  constructor(alias: string, cause: unknown) {
    super(`tensor parsing error: ${alias}`, { cause });
    this.alias = alias;
  }
}

/** A `PredictRequest` as a server reads it. Tensors are read on demand: a server looks at the names first. */
export interface PredictRequestParts {
  /** Absent where the message has none. */
  readonly modelSpec: ModelSpec | undefined;
  readonly inputNames: readonly string[];
  readonly outputFilter: readonly string[];
  /** @throws InputParsingError; RangeError for a name that is not among `inputNames` */
  input(name: string): Tensor;
}

/**
 * @throws MalformedMessageError
 * @throws TooLargeError if the message has more elements than a `TensorBudget` has by default
 */
export function readPredictRequest(message: Uint8Array): PredictRequestParts {
  const { elements } = createTensorBudget();
  let modelSpec: ModelSpec | undefined;
  const inputs = new Map<string, Uint8Array>();
  const outputFilter: string[] = [];
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    if (reader.is(requestField.modelSpec, wireType.lengthDelimited)) {
      modelSpec = readModelSpec(reader.bytes(), elements);
    } else if (reader.is(requestField.inputs, wireType.lengthDelimited)) {
      const { name, tensor } = readEntry(reader.bytes(), elements);
      inputs.set(name, tensor);
    } else if (reader.is(requestField.outputFilter, wireType.lengthDelimited)) {
      outputFilter.push(reader.name());
    } else reader.skip();
  }
  return {
    modelSpec,
    inputNames: [...inputs.keys()],
    outputFilter,
    input: (name) => {
      const tensor = inputs.get(name);
      if (!tensor) throw new RangeError(`there is no input ${name}`);
      try {
        return readTensorProto(tensor);
      } catch (thrown) {
        throw thrown instanceof TensorParsingError ? new InputParsingError(name, thrown) : thrown;
      }
    },
  };
}

export interface PredictResponseParts {
  /** Absent where the server does not tell, as FPGA containers do not. */
  readonly model?: AnsweringModel;
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly signatureName?: string;
  /** Values in the types' own fields by default, as TensorFlow Serving has them. */
  readonly encoding?: TensorEncoding;
}

/** Frames a `PredictResponse`. */
export function predictResponseSegments({
  model,
  outputs,
  signatureName = "",
  encoding = "values",
}: PredictResponseParts): readonly Uint8Array[] {
  const writer = new MessageWriter();
  writeTensors(writer, responseField.outputs, { tensors: outputs, encoding });
  if (model) {
    writer.messageField(responseField.modelSpec, modelSpecWriter({ ...model, signatureName }));
  }
  return writer.finish();
}

function writeTensors(
  writer: MessageWriter,
  fieldNumber: number,
  { tensors, encoding }: { tensors: ReadonlyMap<string, Tensor>; encoding: TensorEncoding },
): void {
  for (const [name, tensor] of tensors) {
    const entry = new MessageWriter().stringField(1, name);
    writer.messageField(fieldNumber, entry.messageField(2, tensorProtoWriter(tensor, encoding)));
  }
}

interface TensorEntry {
  readonly name: string;
  readonly tensor: Uint8Array;
}

/** An entry of a map; a key or a value that is left out has its default. */
function readEntry(message: Uint8Array, elements: WorkBudget): TensorEntry {
  let name = "";
  let tensor: Uint8Array = new Uint8Array();
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    if (reader.is(1, wireType.lengthDelimited)) {
      name = reader.name();
    } else if (reader.is(2, wireType.lengthDelimited)) tensor = reader.bytes();
    else reader.skip();
  }
  return { name, tensor };
}

const specField = { name: 1, version: 2, signatureName: 3, versionLabel: 4 } as const;

function modelSpecWriter({ name, version, versionLabel, signatureName }: ModelSpec): MessageWriter {
  const writer = new MessageWriter();
  if (name !== "") writer.stringField(specField.name, name);
  if (version !== undefined) {
    const wrapper = new MessageWriter();
    if (version !== 0n) wrapper.varintField(1, version);
    writer.messageField(specField.version, wrapper);
  }
  if (signatureName) writer.stringField(specField.signatureName, signatureName);
  if (versionLabel !== undefined) writer.stringField(specField.versionLabel, versionLabel);
  return writer;
}

function readModelSpec(message: Uint8Array, elements: WorkBudget): ModelSpec {
  let name = "";
  let signatureName = "";
  let choice: { readonly version?: bigint; readonly versionLabel?: string } = {};
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    if (reader.is(specField.name, wireType.lengthDelimited)) name = reader.name();
    else if (reader.is(specField.signatureName, wireType.lengthDelimited)) {
      signatureName = reader.name();
    } else if (reader.is(specField.version, wireType.lengthDelimited)) {
      choice = { version: readInt64Value(reader.bytes(), elements) };
    } else if (reader.is(specField.versionLabel, wireType.lengthDelimited)) {
      choice = { versionLabel: reader.name() };
    } else reader.skip();
  }
  return { name, signatureName, ...choice };
}

function readInt64Value(message: Uint8Array, elements: WorkBudget): bigint {
  let value = 0n;
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    if (reader.is(1, wireType.varint)) value = BigInt.asIntN(64, reader.uint64());
    else reader.skip();
  }
  return value;
}
