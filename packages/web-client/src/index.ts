export type {
  AnyCatalog,
  ApiKey,
  CallInfo,
  CallOptions,
  CatalogEntry,
  ClassifyOptions,
  ClientError,
  ClientEvent,
  DetectOptions,
  ManyOptions,
  ModelInfo,
  PredictOptions,
  ResponseMeta,
  TensorData,
  TensorInput,
  TensorOutput,
  TensorOutputJson,
  WithMeta,
} from "@tensorgate/client-core";
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
  type Outcome,
  OverloadedError,
  QuotaExceededError,
  type Rectangle,
  ScoringError,
  TimeoutError,
  TooLargeError,
  UnauthenticatedError,
  UnknownModelError,
  UnknownVersionError,
  UnsupportedMediaError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
export { type Connection, openConnection } from "./connection.ts";
export { getModel, health, listModels } from "./models.ts";
export type { Fit, PictureOptions, WebClientOptions } from "./options.ts";
export type { PictureInput } from "./picture/picture-input.ts";
export { predict } from "./predict.ts";
export { classify, detect, embed } from "./scoring.ts";
export { ScoringClient } from "./scoring-client.ts";
export { type FrameOutcome, type StreamOptions, scoreStream } from "./video-stream.ts";
