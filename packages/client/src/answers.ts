import { foreignAnswerError, type ModelInfo } from "@tensorgate/client-core";
import {
  type Detections,
  errorByReason,
  type LabelScore,
  type ScoringError,
  shortestFloat32,
} from "@tensorgate/core";
import type { ModelDescription } from "@tensorgate/proto/tensorgate/v1/catalog";
import type { Boxes, Failure } from "@tensorgate/proto/tensorgate/v1/scoring";

/** Converts a label; its score is rounded as in JSON, so that it is the same in every protocol. */
export function labelScore<Label extends string>({
  index,
  label,
  score,
}: LabelScore): LabelScore<Label> {
  return { index, label: label as Label, score: shortestFloat32(score) };
}

export function detections<Label extends string>({ boxes, image }: Boxes): Detections<Label> {
  const { width = 0, height = 0 } = image ?? {};
  return {
    boxes: boxes.map(({ box, normalized, ...scored }) => ({
      ...labelScore<Label>(scored),
      box: rectangle(box),
      normalized: rectangle(normalized),
    })),
    image: { width, height },
  };
}

function rectangle(message: { x: number; y: number; width: number; height: number } | undefined) {
  const { x = 0, y = 0, width = 0, height = 0 } = message ?? {};
  return {
    x: shortestFloat32(x),
    y: shortestFloat32(y),
    width: shortestFloat32(width),
    height: shortestFloat32(height),
  };
}

/** The result of one picture in a response, or its failure. */
export interface PictureOutcome {
  readonly case: string | undefined;
  readonly value?: unknown;
}

/** Returns the error for a response without a result for the picture that was sent. */
export function unansweredError(outcome: PictureOutcome | undefined): ScoringError {
  const failure = outcome?.case === "error" ? (outcome.value as Failure) : undefined;
  if (!failure) return foreignAnswerError(200, { text: "the response has no result" });
  const { reason, message, hint, field } = failure;
  return errorByReason(reason, {
    message,
    grpcCode: 2,
    ...(hint && { hint }),
    ...(field && { field }),
  });
}

export function modelInfo({ family, input, ...message }: ModelDescription): ModelInfo {
  const { name, task, tasks, versions, regions, labelCount, weights } = message;
  const { kind = "", width, height, crop } = input ?? {};
  return {
    name,
    task,
    tasks,
    versions: versions.map(String),
    regions,
    labelCount,
    weights,
    input: {
      kind,
      ...(width && { width }),
      ...(height && { height }),
      ...(crop && { crop: { width: crop.width, height: crop.height } }),
    },
    ...(family && { family }),
  };
}
