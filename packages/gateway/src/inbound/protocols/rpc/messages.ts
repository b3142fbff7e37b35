import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type Detections,
  type DetectRequest,
  InvalidRequestError,
  type LabelScore,
  type ModelDescription,
  type ModelSpec,
  type NamedTensorInfo,
  type Parameters,
  type ParameterValue,
  type Picture,
  type PictureResult,
  type ScoringError,
  type Tensor,
} from "@tensorgate/core";
import type { ModelDescriptionSchema } from "@tensorgate/proto/tensorgate/v1/catalog";
import type {
  ClassifyResultSchema,
  DetectResultSchema,
  EmbedResultSchema,
  FailureSchema,
  ModelSpec as ModelSpecMessage,
  Parameter as ParameterMessage,
  Picture as PictureMessage,
  TensorSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";

/** @throws InvalidRequestError if there is no model spec */
export function modelSpecFrom(message: ModelSpecMessage | undefined): ModelSpec {
  if (!message) throw new InvalidRequestError("model_spec is missing", { field: "model_spec" });
  const { name, versionChoice, signatureName } = message;
  return {
    name,
    ...(versionChoice.case === "version" && { version: versionChoice.value }),
    ...(versionChoice.case === "versionLabel" && { versionLabel: versionChoice.value }),
    ...(signatureName !== "" && { signatureName }),
  };
}

/** @throws InvalidRequestError if the picture has no bytes */
export function pictureFrom({ id, source }: PictureMessage, index: number): Picture {
  if (source.case !== "data" || source.value.byteLength === 0) {
    throw new InvalidRequestError(`picture ${index} is empty`, {
      field: `pictures[${index}].data`,
    });
  }
  return { bytes: source.value, ...(id !== "" && { id }) };
}

export function classifyResult(
  result: PictureResult<readonly LabelScore[]>,
): MessageInitShape<typeof ClassifyResultSchema> {
  const id = result.id ?? "";
  if (!result.ok) return { id, outcome: { case: "error", value: failureMessage(result.error) } };
  return { id, outcome: { case: "labels", value: { labels: [...result.value] } } };
}

export function detectResult(
  result: PictureResult<Detections>,
): MessageInitShape<typeof DetectResultSchema> {
  const id = result.id ?? "";
  if (!result.ok) return { id, outcome: { case: "error", value: failureMessage(result.error) } };
  const { boxes, image } = result.value;
  return { id, outcome: { case: "boxes", value: { boxes: [...boxes], image } } };
}

/** Fields that a message leaves out are left to the model. */
export function selectionFrom({
  minScore,
  iouThreshold,
  maxCandidates,
  maxDetections,
}: SelectionFields): DetectSelection {
  return {
    ...(minScore !== undefined && { minScore }),
    ...(iouThreshold !== undefined && { iouThreshold }),
    ...(maxCandidates !== undefined && { maxCandidates }),
    ...(maxDetections !== undefined && { maxDetections }),
  };
}

/** As a message has them. */
type SelectionFields = {
  readonly [Field in keyof DetectSelection]?: DetectSelection[Field] | undefined;
};

export type DetectSelection = Omit<DetectRequest, "modelSpec" | "pictures">;

export function embedResult(
  result: PictureResult<Float32Array>,
): MessageInitShape<typeof EmbedResultSchema> {
  const id = result.id ?? "";
  if (!result.ok) {
    return { id, outcome: { case: "error", value: failureMessage(result.error) } };
  }
  return { id, outcome: { case: "features", value: { values: [...result.value] } } };
}

function failureMessage({
  reason,
  message,
  hint,
  field,
  retryAfterMs,
}: ScoringError): MessageInitShape<typeof FailureSchema> {
  return {
    reason,
    message,
    hint: hint ?? "",
    field: field ?? "",
    ...(retryAfterMs !== undefined && { retryAfterMs: BigInt(Math.ceil(retryAfterMs)) }),
  };
}

/** @returns undefined if there are none; a parameter without a value is left out */
export function parametersFrom(
  messages: Readonly<Record<string, ParameterMessage>>,
): Parameters | undefined {
  const parameters = new Map<string, ParameterValue>();
  for (const [name, { value }] of Object.entries(messages)) {
    if (value.case !== undefined) parameters.set(name, value.value);
  }
  return parameters.size > 0 ? parameters : undefined;
}

/** A neutral tensor as one of `tensorgate.v1`. */
export function tensorMessage(tensor: Tensor): MessageInitShape<typeof TensorSchema> {
  const shape = tensor.shape.map(BigInt);
  if (tensor.dtype === "BYTES") {
    const value = { elements: [...tensor.elements] };
    return { dtype: tensor.dtype, shape, values: { case: "elements", value } };
  }
  return {
    dtype: tensor.dtype,
    shape,
    // The generated type asks for a buffer that is not shared; ours never is.
    values: { case: "data", value: tensor.data as Uint8Array<ArrayBuffer> },
  };
}

/** What the catalog says of one model. */
export function modelMessage({
  labels,
  input,
  outputs,
  ...rest
}: ModelDescription): MessageInitShape<typeof ModelDescriptionSchema> {
  return {
    ...rest,
    tasks: [...rest.tasks],
    versions: [...rest.versions],
    regions: [...rest.regions],
    labelCount: labels.length,
    input:
      input.kind === "picture"
        ? { ...input }
        : { kind: input.kind, tensors: input.tensors.map(infoMessage) },
    outputs: outputs.map((output) => ({ ...infoMessage(output), holds: output.holds })),
  };
}

function infoMessage({ name, dtype, shape }: NamedTensorInfo) {
  return { name, dtype: dtype ?? "", ...(shape && { shape: shape.map(BigInt) }) };
}

/** Requests name their model in one of two places. */
export function askedModel(request: unknown): string | undefined {
  const { modelSpec, name } = request as {
    readonly modelSpec?: { readonly name?: string };
    readonly name?: string;
  };
  return modelSpec?.name ?? name;
}
