import type {
  AnsweringModel,
  DialectNames,
  DType,
  ModelSpec,
  ScoreRequest,
  Tensor,
  WorkBudget,
} from "@tensorgate/core";
import { fieldTag, MessageReader, MessageWriter, readInt64Message } from "@tensorgate/core";
import {
  createTensorBudget,
  readDType,
  readTensorProto,
  type TensorEncoding,
  tensorProtoWriter,
} from "./tensor-proto.ts";
import { TensorParsingError } from "./tensor-values.ts";

/** Field numbers of `tensorflow.serving.PredictRequest` and `PredictResponse`. */
export const requestField = { modelSpec: 1, inputs: 2, outputFilter: 3 } as const;
export const responseField = { outputs: 1, modelSpec: 2 } as const;
const requestTag = {
  modelSpec: fieldTag(1),
  inputs: fieldTag(2),
  outputFilter: fieldTag(3),
} as const;

/**
 * Frames a `PredictRequest` around its tensors: the segments, one after the other, are the message.
 * A picture among them is the very bytes that were handed in.
 *
 * @param names - wire names of tensors; other tensors keep their names
 */
export function predictRequestSegments(
  { modelSpec, inputs, outputFilter }: ScoreRequest,
  names?: DialectNames,
): readonly Uint8Array[] {
  const writer = new MessageWriter().messageField(
    requestField.modelSpec,
    modelSpecWriter(modelSpec),
  );
  for (const [name, tensor] of inputs) {
    writer.messageField(
      requestField.inputs,
      entryWriter(names?.inputs.get(name) ?? name, tensorProtoWriter(tensor, "content")),
    );
  }
  for (const name of outputFilter) {
    writer.stringField(requestField.outputFilter, names?.outputs.get(name) ?? name);
  }
  return writer.finish();
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

/** A `PredictRequest` as a server reads it. Tensors are read on demand: a server checks the names first. */
export interface ReceivedPredictRequest {
  /** Absent if the message has none. */
  readonly modelSpec: ModelSpec | undefined;
  readonly inputNames: readonly string[];
  readonly outputFilter: readonly string[];
  /** @throws InputParsingError; RangeError for a name that is not among `inputNames` */
  input(name: string): Tensor;
}

/** The same, of a message that lies here. */
export interface EncodedPredictRequest extends ReceivedPredictRequest {
  /** Type of an input, without reading its values; undefined for an unknown type or input, or a malformed tensor. */
  dtype(name: string): DType | undefined;
}

/**
 * @throws MalformedMessageError
 * @throws TooLargeError if the message has more elements than a `TensorBudget` has by default
 */
export function readPredictRequest(message: Uint8Array): EncodedPredictRequest {
  const { elements } = createTensorBudget();
  let modelSpec: ModelSpec | undefined;
  const inputs = new Map<string, Uint8Array>();
  const outputFilter: string[] = [];
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    if (reader.tag === requestTag.modelSpec) {
      modelSpec = readModelSpec(reader.bytes(), elements);
    } else if (reader.tag === requestTag.inputs) {
      const { name, tensor } = readEntry(reader.bytes(), elements);
      inputs.set(name, tensor);
    } else if (reader.tag === requestTag.outputFilter) {
      outputFilter.push(reader.name());
    } else reader.skip();
  }
  return {
    modelSpec,
    inputNames: [...inputs.keys()],
    outputFilter,
    dtype: (name) => readDType(inputs.get(name) ?? noTensor),
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

const noTensor = new Uint8Array();

export interface PredictResponseOptions {
  /** Absent if the server does not report it, as FPGA containers do not. */
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
}: PredictResponseOptions): readonly Uint8Array[] {
  const writer = new MessageWriter();
  for (const [name, tensor] of outputs) {
    writer.messageField(
      responseField.outputs,
      entryWriter(name, tensorProtoWriter(tensor, encoding)),
    );
  }
  if (model) {
    writer.messageField(responseField.modelSpec, modelSpecWriter({ ...model, signatureName }));
  }
  return writer.finish();
}

/** An entry of a map from names to tensors. */
function entryWriter(name: string, tensor: MessageWriter): MessageWriter {
  return new MessageWriter()
    .stringField(entryField.name, name)
    .messageField(entryField.tensor, tensor);
}

const entryField = { name: 1, tensor: 2 } as const;
const entryTag = { name: fieldTag(1), tensor: fieldTag(2) } as const;

export interface TensorEntry {
  readonly name: string;
  readonly tensor: Uint8Array;
}

/** Reads an entry of a map; a missing key or value has its default. */
export function readEntry(message: Uint8Array, elements: WorkBudget): TensorEntry {
  let name = "";
  let tensor: Uint8Array = new Uint8Array();
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    if (reader.tag === entryTag.name) name = reader.name();
    else if (reader.tag === entryTag.tensor) tensor = reader.bytes();
    else reader.skip();
  }
  return { name, tensor };
}

const specField = { name: 1, version: 2, signatureName: 3, versionLabel: 4 } as const;
const specTag = {
  name: fieldTag(1),
  version: fieldTag(2),
  signatureName: fieldTag(3),
  versionLabel: fieldTag(4),
} as const;

export function modelSpecWriter({
  name,
  version,
  versionLabel,
  signatureName,
}: ModelSpec): MessageWriter {
  const writer = new MessageWriter();
  if (name !== "") writer.stringField(specField.name, name);
  if (version !== undefined) {
    const wrapper = new MessageWriter();
    writer.messageField(
      specField.version,
      version === 0n ? wrapper : wrapper.varintField(1, version),
    );
  }
  if (signatureName) writer.stringField(specField.signatureName, signatureName);
  if (versionLabel !== undefined) writer.stringField(specField.versionLabel, versionLabel);
  return writer;
}

export function readModelSpec(message: Uint8Array, elements: WorkBudget): ModelSpec {
  let name = "";
  let signatureName = "";
  let choice: { readonly version?: bigint; readonly versionLabel?: string } = {};
  const reader = new MessageReader(message, elements);
  while (reader.next()) {
    switch (reader.tag) {
      case specTag.name:
        name = reader.name();
        break;
      case specTag.version:
        choice = { version: readInt64Message(reader.bytes(), elements) };
        break;
      case specTag.signatureName:
        signatureName = reader.name();
        break;
      case specTag.versionLabel:
        choice = { versionLabel: reader.name() };
        break;
      default:
        reader.skip();
    }
  }
  return { name, signatureName, ...choice };
}
