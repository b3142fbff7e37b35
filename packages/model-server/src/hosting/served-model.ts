import { grpcCode } from "@tensorgate/grpc";
import {
  type ModelConfig,
  type ModelServerConfig,
  ModelServerConfigSchema,
  ModelType,
} from "@tensorgate/proto/tensorflow_serving/model_server_config";
import { messageFromText, ServingError, servingErrors } from "@tensorgate/tf-serving";
import { assertAbsolute } from "./base-paths.ts";
import { newestVersion, type VersionPolicy } from "./version-policy.ts";

/** One model of a list: where it lies, and which of its versions are served. */
export interface ServedModel {
  readonly name: string;
  /** Folder of its versions; empty for the one that the server started with. */
  readonly basePath: string;
  /** `tensorflow` or `onnx`, which mean the same here; empty if the list does not say. */
  readonly platform?: string;
  /** @default { kind: "latest", count: 1 } */
  readonly versionPolicy?: VersionPolicy;
  /** Version of each label. */
  readonly versionLabels?: ReadonlyMap<string, bigint>;
}

/**
 * Reads a file of models in protocol buffers' text format, as `--model_config_file` of TensorFlow Serving takes it.
 *
 * @throws TextFormatError with line and column; ServingError for a list that cannot be served
 */
export function readModelConfig(text: string): readonly ServedModel[] {
  const config = messageFromText(ModelServerConfigSchema, text);
  // A file without a list is taken for an empty one, as in the original.
  const models = config.config.case === undefined ? [] : servedModelsFromConfig(config);
  for (const { name, basePath } of models) assertAbsolute(name, basePath);
  return models;
}

/**
 * Reads the models of a configuration.
 *
 * @throws ServingError INVALID_ARGUMENT for anything but a list, or a list that cannot be right
 */
export function servedModelsFromConfig(
  config: ModelServerConfig | undefined,
): readonly ServedModel[] {
  if (config?.config.case !== "modelConfigList") throw servingErrors.unsupportedConfig();
  const models = config.config.value.config.map(servedModelFrom);
  const names = models.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw servingErrors.modelListedTwice(twice);
  return models;
}

/** Platforms that a list may name: ours, and that of lists for TensorFlow Serving. */
const platforms: ReadonlySet<string> = new Set(["", "tensorflow", "onnx"]);

function servedModelFrom(config: ModelConfig): ServedModel {
  const { name, basePath, versionLabels } = config;
  if (name === "") throw invalid("a model in the config list has no name");
  const platform = platformOf(config);
  if (!platforms.has(platform)) throw servingErrors.unsupportedPlatform(name, platform);
  return {
    name,
    basePath,
    platform,
    versionPolicy: policyFrom(config),
    versionLabels: new Map(Object.entries(versionLabels)),
  };
}

function platformOf({ name, modelPlatform, modelType }: ModelConfig): string {
  if (modelType === ModelType.MODEL_TYPE_UNSPECIFIED) return modelPlatform;
  if (modelPlatform !== "") {
    throw invalid(
      `Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform, model name is ${name}`,
    );
  }
  if (modelType === ModelType.TENSORFLOW) return "tensorflow";
  throw invalid(`ModelServerConfig::model_type choice ${modelType} not supported.`);
}

function policyFrom({ modelVersionPolicy }: ModelConfig): VersionPolicy {
  const choice = modelVersionPolicy?.policyChoice;
  switch (choice?.case) {
    case "all":
      return { kind: "all" };
    case "specific":
      return { kind: "specific", versions: choice.value.versions };
    case "latest":
      // 0 is what a message without the number has, and means one.
      return { kind: "latest", count: choice.value.numVersions || 1 };
    default:
      return newestVersion;
  }
}

function invalid(message: string): ServingError {
  return new ServingError(grpcCode.INVALID_ARGUMENT, message);
}
