import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FamilyName } from "@tensorgate/tf-serving";
import { ModelFolderError, parseManifest } from "./manifest.ts";
import { type FoundModel, type ModelFolder, modelFolderFrom } from "./model-folder.ts";
import {
  defaultCacheFolder,
  type GenerationProgress,
  seededFamily,
} from "./topologies/seeded-family.ts";

export type { ModelFolder };

/** A folder of models, one model as TensorFlow Serving's flags name it, or models that are generated. */
export type FolderSource =
  | { readonly directory: string }
  | { readonly name: string; readonly basePath: string }
  | { readonly families: readonly FamilyName[]; readonly cacheFolder?: string };

/** Where models come from: folders, or code, for the model that counts its requests. */
export type ModelSource = FolderSource | { readonly counter: true };

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
export function findVersions(
  source: FolderSource,
  onProgress: (progress: GenerationProgress) => void,
): readonly FoundModel[] {
  if ("families" in source) {
    const { families, cacheFolder = defaultCacheFolder() } = source;
    return families.map((family) => seededFamily(family, { cacheFolder, onProgress }));
  }
  if ("name" in source) {
    return [onlyModel(source.name, source.basePath)];
  }
  const { directory } = source;
  if (!existsSync(directory)) throw new ModelFolderError(`folder ${directory} not found`);
  const found = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => newestVersion(name, join(directory, name)) ?? [])
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (found.length > 0) return found;
  throw new ModelFolderError(
    `no model found in ${directory}; expected ${directory}/<name>/<number>/model.onnx`,
  );
}

/** @throws ModelFolderError if the folder has no version of a model */
export function onlyModel(name: string, basePath: string): FoundModel {
  const newest = newestVersion(name, basePath);
  if (newest) return newest;
  throw new ModelFolderError(
    `${basePath} has no version of model "${name}": expected ${basePath}/<number>/model.onnx`,
  );
}

function newestVersion(name: string, basePath: string): FoundModel | undefined {
  if (!existsSync(basePath)) return undefined;
  const versions = readdirSync(basePath)
    .flatMap((folder) => {
      const version = versionFromFolder(folder);
      const modelFile = join(basePath, folder, "model.onnx");
      return version === undefined || !existsSync(modelFile)
        ? []
        : [{ version, folder, modelFile }];
    })
    .toSorted((a, b) => (a.version > b.version ? -1 : 1));
  const [newest] = versions;
  if (!newest) return undefined;
  const manifestFile = join(basePath, newest.folder, "manifest.json");
  return {
    name,
    version: newest.version,
    modelFile: newest.modelFile,
    readManifest: () =>
      existsSync(manifestFile)
        ? parseManifest(readFileSync(manifestFile, "utf8"), manifestFile)
        : undefined,
  };
}

/** Folders whose names are no int64 are no versions; leading zeros are allowed. */
export function versionFromFolder(folder: string): bigint | undefined {
  if (!/^\d+$/.test(folder)) return undefined;
  const version = BigInt(folder);
  return version < 2n ** 63n ? version : undefined;
}
