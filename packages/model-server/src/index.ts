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
