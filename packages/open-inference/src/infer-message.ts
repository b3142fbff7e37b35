import {
  fieldTag,
  InvalidRequestError,
  MessageReader,
  type ParameterValue,
  type Tensor,
  type WorkBudget,
} from "@tensorgate/core";
import {
  assertNoSharedMemory,
  assertUnique,
  type InferRequest,
  type RequestedOutput,
  requestedOutput,
  requestSettings,
} from "./infer.ts";
import { readParameter } from "./parameter-message.ts";
import { type TensorHead, tensorFromBytes, tensorHead, tensorTitle } from "./tensor-bytes.ts";
import { tensorFromContents } from "./tensor-contents.ts";
import { readTensorMessage } from "./tensor-message.ts";

/** A `ModelInferRequest` as a server reads it. */
export interface ReceivedInferRequest extends InferRequest {
  readonly modelName: string;
  /** Empty for the version that the server picks. */
  readonly modelVersion: string;
  /** Whether the values came as raw bytes; the response has the same form. */
  readonly isRaw: boolean;
}

/** Tags of `inference.ModelInferRequest`. */
const requestTag = {
  modelName: fieldTag(1),
  modelVersion: fieldTag(2),
  id: fieldTag(3),
  parameters: fieldTag(4),
  inputs: fieldTag(5),
  outputs: fieldTag(6),
  rawContents: fieldTag(7),
} as const;

/**
 * Reads a `ModelInferRequest`. Raw contents, such as a picture, are views of the message.
 *
 * @param budget - charged one element for each field, value of contents and element of BYTES
 * @throws MalformedMessageError; InvalidRequestError, with what is wrong; TooLargeError where the budget ends;
 *   NotSupportedError for a sequence
 */
export function readInferMessage(message: Uint8Array, budget: WorkBudget): ReceivedInferRequest {
  const texts = { modelName: "", modelVersion: "", id: "" };
  const parameters = new Map<string, ParameterValue>();
  const inputs: Uint8Array[] = [];
  const outputs: RequestedOutput[] = [];
  const raw: Uint8Array[] = [];
  const reader = new MessageReader(message, budget);
  while (reader.next()) {
    switch (reader.tag) {
      case requestTag.modelName:
        texts.modelName = reader.name();
        break;
      case requestTag.modelVersion:
        texts.modelVersion = reader.name();
        break;
      case requestTag.id:
        texts.id = reader.name();
        break;
      case requestTag.parameters:
        readParameter(reader.bytes(), parameters, budget);
        break;
      case requestTag.inputs:
        inputs.push(reader.bytes());
        break;
      case requestTag.outputs:
        outputs.push(readOutput(reader.bytes(), budget));
        break;
      case requestTag.rawContents:
        raw.push(reader.bytes());
        break;
      default:
        reader.skip();
    }
  }
  const isRaw = raw.length > 0;
  if (isRaw && raw.length !== inputs.length) {
    throw new InvalidRequestError(
      `there are ${raw.length} raw_input_contents for ${inputs.length} inputs`,
      { field: "raw_input_contents" },
    );
  }
  const named = inputs.map((input, index) => readInput(input, { raw: raw[index], budget }));
  assertUnique(
    "input",
    named.map(([name]) => name),
  );
  assertUnique(
    "output",
    outputs.map(({ name }) => name),
  );
  return { ...texts, ...requestSettings(parameters), isRaw, inputs: new Map(named), outputs };
}

/** What a request says of itself, before its tensors are looked at. */
export type InferRequestHead = Pick<ReceivedInferRequest, "modelName" | "modelVersion" | "id">;

/** Fields of a request that are looked at for its names, which come first: more are not worth the time. */
const maxHeadFields = 1_024;

/** Reads the names in a `ModelInferRequest`, for records and errors; empty where they cannot be read. */
export function inferRequestHead(message: Uint8Array): InferRequestHead {
  const head = { modelName: "", modelVersion: "", id: "" };
  const reader = new MessageReader(message);
  try {
    for (let count = 0; count < maxHeadFields && reader.next(); count += 1) {
      if (reader.tag === requestTag.modelName) head.modelName = reader.name();
      else if (reader.tag === requestTag.modelVersion) head.modelVersion = reader.name();
      else if (reader.tag === requestTag.id) head.id = reader.name();
      else reader.skip();
    }
  } catch {
    // The reader of the whole message reports what is wrong.
  }
  return head;
}

interface InputContext {
  readonly raw: Uint8Array | undefined;
  readonly budget: WorkBudget;
}

function readInput(
  message: Uint8Array,
  { raw, budget }: InputContext,
): readonly [name: string, tensor: Tensor] {
  const { name, datatype, shape, contents, ...told } = readTensorMessage(message, budget);
  const parameters = new Map<string, ParameterValue>();
  for (const entry of told.parameters) readParameter(entry, parameters, budget);
  assertNoSharedMemory(name, parameters);
  const head = tensorHead({ name, datatype, shape });
  return [name, inputTensor(head, { raw, contents, budget })];
}

function inputTensor(
  head: TensorHead,
  { raw, contents, budget }: InputContext & { readonly contents: Uint8Array | undefined },
): Tensor {
  if (!raw) return tensorFromContents(head, contents ?? new Uint8Array(), budget);
  // Some clients send an empty `contents` beside raw bytes.
  if (!contents?.byteLength) return tensorFromBytes(head, raw, budget);
  throw new InvalidRequestError(`${tensorTitle(head)} has contents beside raw_input_contents`, {
    field: head.name,
  });
}

function readOutput(message: Uint8Array, budget: WorkBudget): RequestedOutput {
  let name = "";
  const parameters = new Map<string, ParameterValue>();
  const reader = new MessageReader(message, budget);
  while (reader.next()) {
    if (reader.tag === fieldTag(1)) name = reader.name();
    else if (reader.tag === fieldTag(2)) readParameter(reader.bytes(), parameters, budget);
    else reader.skip();
  }
  return requestedOutput(name, parameters);
}
