import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Manifest, ModelFolderError, parseManifest } from "./manifest.ts";

/** One version of a model on disk: `BASE/<version>/model.onnx` with an optional `manifest.json`. */
export interface ModelFolder {
  readonly name: string;
  readonly version: bigint;
  readonly modelFile: string;
  /** Absent where there is none: the model's own inputs and outputs are its signature then. */
  readonly manifest: Manifest | undefined;
}

/** A folder of models, or one model as TensorFlow Serving's flags name it. */
export type ModelSource =
  | { readonly directory: string }
  | { readonly name: string; readonly basePath: string };

/** Models that come with this package. */
export const bundledModelsDirectory: string = fileURLToPath(new URL("../models", import.meta.url));

/**
 * Finds the newest version of each model, as TensorFlow Serving does unless told otherwise.
 *
 * @throws ModelFolderError if there is nothing to serve, and says what was looked for
 */
export function findModels(source: ModelSource): readonly ModelFolder[] {
  if ("name" in source) {
    const newest = newestVersion(source.name, source.basePath);
    if (newest) return [newest];
    throw new ModelFolderError(
      `${source.basePath} has no version of model "${source.name}": expected ${source.basePath}/<number>/model.onnx`,
    );
  }
  const { directory } = source;
  if (!existsSync(directory)) throw new ModelFolderError(`there is no folder ${directory}`);
  const found = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => newestVersion(name, join(directory, name)) ?? [])
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (found.length > 0) return found;
  throw new ModelFolderError(
    `${directory} holds no model: expected ${directory}/<name>/<number>/model.onnx`,
  );
}

function newestVersion(name: string, basePath: string): ModelFolder | undefined {
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
  const manifest = existsSync(manifestFile)
    ? parseManifest(readFileSync(manifestFile, "utf8"), manifestFile)
    : undefined;
  return { name, version: newest.version, modelFile: newest.modelFile, manifest };
}

/** Folders whose names are no int64 are no versions; leading zeros are allowed. */
export function versionFromFolder(folder: string): bigint | undefined {
  if (!/^\d+$/.test(folder)) return undefined;
  const version = BigInt(folder);
  return version < 2n ** 63n ? version : undefined;
}
