export {
  type AnyCatalog,
  type ApiKey,
  type CallFacts,
  type CallOptions,
  CancelledError,
  type CatalogEntry,
  type ClassifyOptions,
  type ClientError,
  type ClientEvent,
  DeadlineExceededError,
  type DetectedBox,
  type Detections,
  type DetectOptions,
  FailedPreconditionError,
  ForbiddenError,
  InternalError,
  InvalidRequestError,
  type LabelScore,
  type ManyOptions,
  type ModelInfo,
  ModelNotReadyError,
  NoReplicaError,
  NotSupportedError,
  type Outcome,
  OverloadedError,
  type PredictOptions,
  QuotaExceededError,
  type Rectangle,
  type ResponseMeta,
  ScoringError,
  type TensorData,
  type TensorInput,
  type TensorOutput,
  TooLargeError,
  UnauthenticatedError,
  UnknownModelError,
  UnknownVersionError,
  UnsupportedMediaError,
  UpstreamAnsweredError,
  UpstreamFailedError,
  type WithMeta,
} from "@tensorgate/core";
export { type Connection, openConnection } from "./connection.ts";
export { getModel, health, listModels } from "./models.ts";
export type { Fit, PictureOptions, WebClientOptions } from "./options.ts";
export type { PictureInput } from "./picture/picture-input.ts";
export { predict } from "./predict.ts";
export { classify, detect, embed } from "./scoring.ts";
export { ScoringClient } from "./scoring-client.ts";
export { type FrameOutcome, type StreamOptions, scoreStream } from "./video-stream.ts";
