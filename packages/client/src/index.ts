export {
  CancelledError,
  DeadlineExceededError,
  type DetectedBox,
  type Detections,
  FailedPreconditionError,
  ForbiddenError,
  InternalError,
  InvalidRequestError,
  type LabelScore,
  ModelNotReadyError,
  NoReplicaError,
  NotSupportedError,
  OverloadedError,
  QuotaExceededError,
  type Rectangle,
  ScoringError,
  TooLargeError,
  UnauthenticatedError,
  UnknownModelError,
  UnknownVersionError,
  UnsupportedMediaError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
export type { CallFacts, ClientError } from "./client-error.ts";
export type {
  ApiKey,
  CallOptions,
  ClassifyOptions,
  ClientOptions,
  DetectOptions,
  PredictOptions,
  RetryEvent,
} from "./options.ts";
export type { PictureInput } from "./picture-input.ts";
export type { ResponseMeta, WithMeta } from "./response-meta.ts";
export type { Outcome } from "./score-all.ts";
export { type ManyOptions, type ModelInfo, ScoringClient } from "./scoring-client.ts";
export type { TensorData, TensorInput, TensorOutput } from "./tensor-input.ts";
