import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { SignatureDefMapSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import type { FamilyName } from "@tensorgate/tf-serving";
import type { ServedModel } from "./hosting/served-model.ts";
import { newestVersion, selectVersions, type VersionPolicy } from "./hosting/version-policy.ts";
import { type Manifest, ModelFolderError, parseManifest } from "./manifest.ts";
import {
  type FoundModel,
  type ModelFolder,
  modelFolderFrom,
  savedModelName,
} from "./model-folder.ts";
import {
  defaultCacheFolder,
  type GenerationProgress,
  seededFamily,
} from "./topologies/seeded-family.ts";

export type { ModelFolder };

/** A folder of models, one model as TensorFlow Serving's flags or lists name it, or models that are generated. */
export type FolderSource =
  /** Unless it may be empty, a folder without models is a mistake. */
  | { readonly directory: string; readonly mayBeEmpty?: boolean }
  | ServedModel
  | { readonly families: readonly FamilyName[]; readonly cacheFolder?: string };

/** Versions of a registry, such as `resnet50@champion`. An alias is followed when it moves. */
export interface RegistrySource {
  readonly registry: string;
  readonly serve: readonly string[];
}

/** Where models come from: folders, a registry, or code, for the model that counts its requests. */
export type ModelSource = FolderSource | RegistrySource | { readonly counter: true };

/** Models that come with this package. */
export const bundledModelsDirectory: string = fileURLToPath(new URL("../models", import.meta.url));

/**
 * Finds the newest version of each model, as TensorFlow Serving does by default. Models of families are generated
 * first, if they do not exist yet.
 *
 * @param onProgress - called while they are generated
 * @throws ModelFolderError if there is nothing to serve, and says what was looked for
 */
export function findModels(
  source: FolderSource,
  onProgress: (progress: GenerationProgress) => void = () => {},
): readonly ModelFolder[] {
  return findVersions(source, onProgress).map(modelFolderFrom);
}

/** The same, without looking into the manifests. */
function findVersions(
  source: FolderSource,
  onProgress: (progress: GenerationProgress) => void,
): readonly FoundModel[] {
  if ("families" in source) return familyModels(source, onProgress);
  const models = "name" in source ? [source] : modelsOf(source);
  return models.flatMap(({ name, basePath }) => {
    const found = servedVersions({ name, basePath });
    if (found.length > 0) return found;
    throw new ModelFolderError(noVersionText(name, basePath));
  });
}

/** Generates the models of families, if they do not exist yet. */
export function familyModels(
  {
    families,
    cacheFolder = defaultCacheFolder(),
  }: { readonly families: readonly FamilyName[]; readonly cacheFolder?: string },
  onProgress: (progress: GenerationProgress) => void,
): readonly FoundModel[] {
  return families.map((family) => seededFamily(family, { cacheFolder, onProgress }));
}

/**
 * Lists the models of a folder by their names.
 *
 * @throws ModelFolderError if it has none
 */
export function modelsIn(directory: string): readonly ServedModel[] {
  if (!existsSync(directory)) throw new ModelFolderError(`folder ${directory} not found`);
  const found = presentModels(directory);
  if (found.length > 0) return found;
  throw new ModelFolderError(
    `no model found in ${directory}; expected ${directory}/<name>/<number>/model.onnx or saved_model.pb`,
  );
}

/** The same, where the folder may be empty, or still to come. */
export function modelsOf({
  directory,
  mayBeEmpty = false,
}: {
  readonly directory: string;
  readonly mayBeEmpty?: boolean;
}): readonly ServedModel[] {
  return mayBeEmpty ? presentModels(directory) : modelsIn(directory);
}

/** Lists the models that a folder has now; none is no failure, nor is a folder that is not there. */
export function presentModels(directory: string): readonly ServedModel[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => ({ name, basePath: join(directory, name) }))
    .filter(({ name, basePath }) => versionsIn(name, basePath).length > 0)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Finds the versions of a model that its policy serves, the highest first.
 *
 * @returns none if the folder is there and has none
 * @throws ModelFolderError if there is no such folder
 */
export function servedVersions({
  name,
  basePath,
  versionPolicy = newestVersion,
}: Pick<ServedModel, "name" | "basePath"> & {
  readonly versionPolicy?: VersionPolicy | undefined;
}): readonly FoundModel[] {
  if (!existsSync(basePath)) throw new ModelFolderError(noVersionText(name, basePath));
  return selectVersions(versionsIn(name, basePath), versionPolicy);
}

function noVersionText(name: string, basePath: string): string {
  return `${basePath} has no version of model "${name}": expected ${basePath}/<number>/model.onnx or saved_model.pb`;
}

function versionsIn(name: string, basePath: string): readonly FoundModel[] {
  return readdirSync(basePath)
    .toSorted()
    .flatMap((folder): readonly FoundModel[] => {
      const version = versionFromFolder(folder);
      const modelFile = ["model.onnx", savedModelName]
        .map((file) => join(basePath, folder, file))
        .find((file) => existsSync(file));
      if (version === undefined || modelFile === undefined) return [];
      return [{ name, version, modelFile, readManifest: () => readManifest(basePath, folder) }];
    });
}

/** @throws ModelFolderError if a file cannot be used */
function readManifest(basePath: string, folder: string): Manifest | undefined {
  const file = join(basePath, folder, "manifest.json");
  if (!existsSync(file)) return undefined;
  const manifest = parseManifest(readFileSync(file, "utf8"), file);
  const signatures = join(basePath, folder, "signatures.pb");
  if (!existsSync(signatures)) return manifest;
  const encodedSignatures = readFileSync(signatures);
  try {
    fromBinary(SignatureDefMapSchema, encodedSignatures);
  } catch (cause) {
    throw new ModelFolderError(`${signatures} is not a SignatureDefMap`, { cause });
  }
  return { ...manifest, encodedSignatures };
}

/** Changes when a model's file does, its manifest, or the variables of a SavedModel. Empty for a file that is gone. */
export function fileStamp({ modelFile }: Pick<FoundModel, "modelFile">): string {
  const folder = dirname(modelFile);
  const others = ["manifest.json", join("variables", "variables.index")];
  const files = [modelFile, ...others.map((file) => join(folder, file))];
  return files
    .map((file) => statSync(file, { throwIfNoEntry: false }))
    .map((stats) => (stats ? `${stats.mtimeMs} ${stats.size}` : ""))
    .join(", ");
}

/** Folders whose names are no int64 are no versions; leading zeros are allowed. */
export function versionFromFolder(folder: string): bigint | undefined {
  if (!/^\d+$/.test(folder)) return undefined;
  const version = BigInt(folder);
  return version < 2n ** 63n ? version : undefined;
}
