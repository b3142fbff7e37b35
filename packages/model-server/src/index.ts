export { defaultSignatureName } from "@tensorgate/core";
export type { PreprocessingCheck } from "./conversion/compared-preprocessing.ts";
export type {
  ConversionOptions,
  ConversionResult,
  ConversionTensor,
} from "./conversion/conversion.ts";
export {
  type ConvertedModel,
  convertModel,
  type ModelToConvert,
} from "./conversion/convert-model.ts";
export {
  type ConversionJob,
  type ConvertVersionOptions,
  convertVersion,
} from "./conversion/convert-version.ts";
export {
  type FaultOptions,
  type FaultRule,
  type Faults,
  faultDefaults,
  type RequestFault,
} from "./faults/fault-options.ts";
export { readModelConfig, type ServedModel } from "./hosting/served-model.ts";
export type { VersionPolicy } from "./hosting/version-policy.ts";
export { type AddedModel, addModel, type ModelToAdd } from "./import/add-model.ts";
export { inspectOnnx, type OnnxModelInfo, type OnnxValue } from "./import/inspect-onnx.ts";
export { type Layout, MissingOptionError } from "./import/picture-input.ts";
export {
  type Manifest,
  type ManifestSignature,
  ModelFolderError,
  parseManifest,
} from "./manifest.ts";
export { readMonitoringConfig } from "./metrics/serving-metrics.ts";
export {
  bundledModelsDirectory,
  type FolderSource,
  findModels,
  type ModelFolder,
  type ModelSource,
} from "./model-folders.ts";
export { startModelServer } from "./model-server.ts";
export {
  type DeviceOptions,
  type ExclusiveDevice,
  exclusiveDeviceDefaults,
  type ModelServer,
  type ModelServerOptions,
  modelServerDefaults,
} from "./model-server-options.ts";
export { DownloadError, type DownloadProgress } from "./pretrained/download.ts";
export { type GetPretrainedOptions, getPretrained } from "./pretrained/get-pretrained.ts";
export { type PretrainedModel, pretrainedModels } from "./pretrained/pretrained-models.ts";
export { CheckpointError } from "./pretrained/state-dict.ts";
export { defaultCacheFolder, type GenerationProgress } from "./topologies/seeded-family.ts";
