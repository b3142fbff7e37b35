import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import {
  bytesPerElement,
  bytesTensor,
  type CallContext,
  type FixedSizeDType,
  fieldTag,
  fixedSizeTensor,
  InvalidRequestError,
  joined,
  MessageReader,
  MessageWriter,
  type ModelSpec,
  type Parameters,
  type ParameterValue,
  type ScoreResponse,
  type Tasks,
  type Tensor,
  type WorkBudget,
  wireType,
} from "@tensorgate/core";
import { readParameter } from "@tensorgate/open-inference";
import type {
  PredictRequestSchema,
  PredictResponseSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import type { RpcAnswer } from "./connect/call.ts";
import { modelSpecFrom, parametersFrom, tensorMessage } from "./messages.ts";
import type { UnaryRequest } from "./unary.ts";

/** A `tensorgate.v1.PredictRequest`, whichever way it was read. */
interface PredictRequest {
  readonly modelSpec: ModelSpec | undefined;
  readonly inputs: ReadonlyMap<string, EncodedTensor>;
  readonly outputFilter: readonly string[];
  /** None if there are none, or none of them has a value. */
  readonly parameters: Parameters | undefined;
}

/** A `tensorgate.v1.Tensor`. */
interface EncodedTensor {
  dtype: string;
  readonly shape: bigint[];
  /** The last of these two that came. */
  data?: Uint8Array | undefined;
  elements?: readonly Uint8Array[] | undefined;
}

/**
 * @throws InvalidRequestError if the request names no model, or dtype, shape and data of an input do not agree; what
 *   resolving the model and scoring throw
 */
function score(request: PredictRequest, call: CallContext, tasks: Tasks): Promise<ScoreResponse> {
  const { modelSpec, outputFilter, parameters } = request;
  if (!modelSpec) throw new InvalidRequestError("model_spec is missing", { field: "model_spec" });
  const inputs = new Map<string, Tensor>();
  for (const [name, tensor] of request.inputs) inputs.set(name, tensorFrom(name, tensor));
  const asked = { modelSpec, inputs, outputFilter, ...(parameters?.size && { parameters }) };
  return tasks.resolve(modelSpec, call).score(asked, call);
}

/** The data are viewed, not copied. @throws InvalidRequestError that names the input */
function tensorFrom(name: string, { dtype, shape: extents, data, elements }: EncodedTensor) {
  const shape: number[] = [];
  for (const extent of extents) {
    const count = Number(extent);
    if (Number.isSafeInteger(count) && count >= 0) shape.push(count);
    else throw invalidInput(name, ` has the invalid shape [${extents}]`);
  }
  try {
    if (dtype === "BYTES") return bytesTensor(shape, elements ?? []);
    if (!Object.hasOwn(bytesPerElement, dtype)) {
      throw new RangeError(`unknown dtype "${dtype.slice(0, 40)}"`);
    }
    return fixedSizeTensor(dtype as FixedSizeDType, shape, data ?? noBytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw invalidInput(name, `: ${cause.message}`, cause);
  }
}

const noBytes = new Uint8Array();

function invalidInput(name: string, why: string, cause?: unknown): InvalidRequestError {
  const field = `inputs[${JSON.stringify(name)}]`;
  return new InvalidRequestError(field + why, { field, cause });
}

/** Answers a `Predict` that the library has read: in JSON, compressed, or unusual in another way. */
export async function answerPredict(
  request: MessageShape<typeof PredictRequestSchema>,
  call: CallContext,
  tasks: Tasks,
): Promise<RpcAnswer<MessageInitShape<typeof PredictResponseSchema>>> {
  const inputs = new Map<string, EncodedTensor>();
  for (const [name, { dtype, shape, values }] of Object.entries(request.inputs)) {
    const data = values.case === "data" ? values.value : undefined;
    const elements = values.case === "elements" ? values.value.elements : undefined;
    inputs.set(name, { dtype, shape, data, elements });
  }
  const modelSpec = modelSpecFrom(request.modelSpec);
  const parameters = parametersFrom(request.parameters);
  const asked = { modelSpec, inputs, outputFilter: request.outputFilter, parameters };
  const { model, region, outputs } = await score(asked, call, tasks);
  const messages = [...outputs].map(([name, tensor]) => [name, tensorMessage(tensor)] as const);
  const message = { model, region: region ?? "", outputs: Object.fromEntries(messages) };
  return { message, model, ...(region !== undefined && { region }) };
}

/**
 * Reads a `Predict` by hand, and answers it so: tensors view the message, and what reading costs is counted while it is
 * read instead of in a pass before.
 *
 * @throws MalformedMessageError if the message is not a `PredictRequest`; TooLargeError if it has more elements than the
 *   budget, or too long a name
 */
export function readPredict(message: Uint8Array, budget: WorkBudget): UnaryRequest {
  const request = readRequest(message, budget);
  return {
    askedModel: request.modelSpec?.name,
    answer: async (call, tasks) => {
      const response = await score(request, call, tasks);
      const { model, region } = response;
      return { message: encoded(response), model, ...(region !== undefined && { region }) };
    },
  };
}

/** Elements that an input costs before its fields: its entry, its objects and its lists. */
const inputElements = 8;

function readRequest(message: Uint8Array, budget: WorkBudget): PredictRequest {
  let modelSpec: ModelSpec | undefined;
  const inputs = new Map<string, EncodedTensor>();
  const outputFilter: string[] = [];
  let parameters: Map<string, ParameterValue> | undefined;
  const reader = new MessageReader(message, budget);
  while (reader.next()) {
    switch (reader.tag) {
      case tag.modelSpec:
        modelSpec = readModelSpec(reader.bytes(), budget, modelSpec);
        break;
      case tag.inputs:
        budget.spend(inputElements);
        readInput(reader.bytes(), budget, inputs);
        break;
      case tag.outputFilter:
        outputFilter.push(reader.name());
        break;
      case tag.parameters:
        parameters ??= new Map();
        readParameter(reader.bytes(), parameters, budget);
        break;
      default:
        reader.skip();
    }
  }
  return { modelSpec, inputs, outputFilter, parameters };
}

const tag = {
  modelSpec: fieldTag(1),
  inputs: fieldTag(2),
  outputFilter: fieldTag(3),
  parameters: fieldTag(4),
} as const;

/** @param before - what an earlier field of the same message said: protocol buffers merge the two */
function readModelSpec(
  message: Uint8Array,
  budget: WorkBudget,
  before: ModelSpec = { name: "" },
): ModelSpec {
  let { name, version, versionLabel, signatureName = "" } = before;
  const reader = new MessageReader(message, budget);
  while (reader.next()) {
    switch (reader.tag) {
      case specTag.name:
        name = reader.name();
        break;
      case specTag.version:
        version = reader.int64();
        versionLabel = undefined;
        break;
      case specTag.versionLabel:
        versionLabel = reader.name();
        version = undefined;
        break;
      case specTag.signatureName:
        signatureName = reader.name();
        break;
      default:
        reader.skip();
    }
  }
  return {
    name,
    ...(version !== undefined && { version }),
    ...(versionLabel !== undefined && { versionLabel }),
    ...(signatureName !== "" && { signatureName }),
  };
}

const specTag = {
  name: fieldTag(1),
  version: fieldTag(2, wireType.varint),
  versionLabel: fieldTag(3),
  signatureName: fieldTag(4),
} as const;

/** Reads an entry of the map of inputs, with its tensor. */
function readInput(
  entry: Uint8Array,
  budget: WorkBudget,
  inputs: Map<string, EncodedTensor>,
): void {
  let name = "";
  const tensor: EncodedTensor = { dtype: "", shape: [] };
  const reader = new MessageReader(entry, budget);
  while (reader.next()) {
    if (reader.tag === fieldTag(1)) name = reader.name();
    else if (reader.tag === fieldTag(2)) readTensor(reader.bytes(), budget, tensor);
    else reader.skip();
  }
  inputs.set(name, tensor);
}

function readTensor(message: Uint8Array, budget: WorkBudget, tensor: EncodedTensor): void {
  const reader = new MessageReader(message, budget);
  while (reader.next()) {
    switch (reader.tag) {
      case tensorTag.dtype:
        tensor.dtype = reader.name();
        break;
      case tensorTag.packedShape: {
        const extents = new MessageReader(reader.bytes());
        for (; !extents.isAtEnd; budget.spend()) tensor.shape.push(extents.int64());
        break;
      }
      case tensorTag.extent:
        tensor.shape.push(reader.int64());
        break;
      case tensorTag.data:
        tensor.data = reader.bytes();
        tensor.elements = undefined;
        break;
      case tensorTag.elements:
        tensor.elements = readElements(reader.bytes(), budget, tensor.elements ?? []);
        tensor.data = undefined;
        break;
      default:
        reader.skip();
    }
  }
}

const tensorTag = {
  dtype: fieldTag(1),
  packedShape: fieldTag(2),
  extent: fieldTag(2, wireType.varint),
  data: fieldTag(3),
  elements: fieldTag(4),
} as const;

function readElements(
  message: Uint8Array,
  budget: WorkBudget,
  before: readonly Uint8Array[],
): readonly Uint8Array[] {
  const elements = [...before];
  const reader = new MessageReader(message, budget);
  while (reader.next()) {
    if (reader.tag === fieldTag(1)) elements.push(reader.bytes());
    else reader.skip();
  }
  return elements;
}

/** Writes a `PredictResponse`. */
function encoded({ model, region, outputs }: ScoreResponse): Uint8Array {
  const spec = new MessageWriter().stringField(1, model.name);
  if (model.version !== 0n) spec.varintField(2, model.version);
  const writer = new MessageWriter().messageField(1, spec);
  if (region) writer.stringField(2, region);
  for (const [name, tensor] of outputs) {
    const entry = new MessageWriter().stringField(1, name);
    writer.messageField(3, entry.messageField(2, tensorWriter(tensor)));
  }
  return joined(writer.finish());
}

function tensorWriter(tensor: Tensor): MessageWriter {
  const shape = new MessageWriter();
  for (const extent of tensor.shape) shape.varint(extent);
  const writer = new MessageWriter().stringField(1, tensor.dtype).messageField(2, shape);
  if (tensor.dtype !== "BYTES") return writer.bytesField(3, tensor.data);
  const elements = new MessageWriter();
  for (const element of tensor.elements) elements.bytesField(1, element);
  return writer.messageField(4, elements);
}
