export { type AddedModel, addModel, type ModelToAdd } from "./adding/add-model.ts";
export type { OnnxFacts, OnnxValue } from "./adding/inspect-onnx.ts";
export { type Layout, MissingFactError } from "./adding/picture-input.ts";
export {
  type FaultOptions,
  type FaultRule,
  type Faults,
  faultDefaults,
  type RequestFault,
} from "./faults/fault-options.ts";
export { type Manifest, type ManifestSignature, ModelFolderError } from "./manifest.ts";
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
export { defaultSignatureName } from "./servable.ts";
export { defaultCacheFolder, type GenerationProgress } from "./zoo/seeded-family.ts";
