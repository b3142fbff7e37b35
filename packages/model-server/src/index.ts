export { type AddedModel, addModel, type ModelToAdd } from "./adding/add-model.ts";
export type { OnnxFacts, OnnxValue } from "./adding/inspect-onnx.ts";
export { type Layout, MissingFactError } from "./adding/picture-input.ts";
export { type Manifest, type ManifestSignature, ModelFolderError } from "./manifest.ts";
export {
  bundledModelsDirectory,
  findModels,
  type ModelFolder,
  type ModelSource,
} from "./model-folders.ts";
export {
  type ModelServer,
  type ModelServerOptions,
  modelServerDefaults,
  startModelServer,
} from "./model-server.ts";
export { defaultSignatureName } from "./servable.ts";
export { defaultCacheFolder, type GenerationProgress } from "./zoo/seeded-family.ts";
