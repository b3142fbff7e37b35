import { realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";
import { counterModel, counterServable } from "../counter/counter.ts";
import { ModelFolderError } from "../manifest.ts";
import { type FoundModel, modelFolderFrom } from "../model-folder.ts";
import { findVersions, type ModelFolder, type ModelSource, onlyModel } from "../model-folders.ts";
import type { Servable } from "../servable.ts";
import type { GenerationProgress } from "../topologies/seeded-family.ts";
import { type AllowedBasePaths, assertAllowed } from "./base-paths.ts";
import type { Loadable, WantedModel } from "./loadable.ts";

export interface ModelRegistryDeps {
  readonly sources: readonly ModelSource[];
  /** Folders below which a reload may name base paths, in addition to those of the sources. */
  readonly reloadFolders: readonly string[];
  readonly load: (folder: ModelFolder) => Promise<Servable>;
  readonly onProgress: (progress: GenerationProgress) => void;
}

/** The models that a server may load. */
export interface ModelRegistry {
  /** The models of the sources, in their order. */
  readonly atStart: readonly Loadable[];
  /**
   * Resolves a name and a base path; without a base path, what was found under that name at the start.
   * @throws ServingError INVALID_ARGUMENT or PERMISSION_DENIED if it may not be loaded
   */
  wanted(name: string, basePath: string): WantedModel;
}

const counter: Loadable = { ...counterModel, load: async () => counterServable() };

/**
 * Finds the models of all sources.
 *
 * @throws ModelFolderError if a source has none, or two have models of one name
 */
export function createModelRegistry({
  sources,
  reloadFolders,
  load,
  onProgress,
}: ModelRegistryDeps): ModelRegistry {
  const loadableFrom = (model: FoundModel): Loadable => ({
    name: model.name,
    version: model.version,
    // The real path: the same file under another path is the same model.
    origin: realpathSync(model.modelFile),
    load: async () => load(modelFolderFrom(model)),
  });
  const basePaths = new Map<Loadable, string>();
  const found = sources.flatMap((source): readonly Loadable[] => {
    if ("counter" in source) return [counter];
    return findVersions(source, onProgress).map((model) => {
      const loadable = loadableFrom(model);
      basePaths.set(loadable, resolve(dirname(dirname(model.modelFile))));
      return loadable;
    });
  });
  assertDistinct(found);
  const allowed: AllowedBasePaths = {
    below: [
      ...sources.flatMap((source) => ("directory" in source ? [source.directory] : [])),
      ...reloadFolders,
    ],
    exactly: [...basePaths.values()],
  };

  return {
    atStart: found,
    wanted: (name, basePath) => {
      const known = found.find((each) => each.name === name);
      if (basePath === "" && known === counter) return { name, find: () => counter };
      if (basePath === "" && !known) {
        throw new ServingError(
          grpcCode.INVALID_ARGUMENT,
          `model ${name} has no base path, and this server did not start with one of that name`,
        );
      }
      const path = basePath || (known && basePaths.get(known)) || "";
      assertAllowed(name, path, allowed);
      return {
        name,
        find: () => {
          // Checked again: a link may have changed while earlier reloads ran.
          assertAllowed(name, path, allowed);
          return loadableFrom(onlyModel(name, path));
        },
      };
    },
  };
}

function assertDistinct(models: readonly Loadable[]): void {
  const names = models.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new ModelFolderError(`two models have the name "${twice}"`);
  }
}
