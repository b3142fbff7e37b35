import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type Detections,
  type DetectRequest,
  InvalidRequestError,
  type LabelScore,
  type ModelSpec,
  type Picture,
  type PictureResult,
  type ScoringError,
} from "@tensorgate/core";
import type {
  ClassifyResultSchema,
  DetectResultSchema,
  EmbedResultSchema,
  FailureSchema,
  ModelSpec as ModelSpecMessage,
  Picture as PictureMessage,
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
