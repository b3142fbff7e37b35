import { realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";
import { counterModel, counterServable } from "../counter/counter.ts";
import { ModelFolderError } from "../manifest.ts";
import { type FoundModel, modelFolderFrom } from "../model-folder.ts";
import {
  familyModels,
  fileStamp,
  type ModelFolder,
  type ModelSource,
  modelsIn,
  servedVersions,
} from "../model-folders.ts";
import type { Servable } from "../servable.ts";
import type { GenerationProgress } from "../topologies/seeded-family.ts";
import { type AllowedBasePaths, assertAbsolute, assertAllowed } from "./base-paths.ts";
import type { Loadable, WantedModel } from "./loadable.ts";
import type { ServedModel } from "./served-model.ts";

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
  readonly atStart: readonly WantedModel[];
  /**
   * Resolves a model of a list; without a base path, what the server started with under that name.
   *
   * @param from - `caller` if anybody may have sent the list: only folders that are allowed may be named then
   * @throws ServingError INVALID_ARGUMENT or PERMISSION_DENIED if it may not be loaded
   */
  wanted(model: ServedModel, from: "caller" | "operator"): WantedModel;
}

const noLabels: ReadonlyMap<string, bigint> = new Map();

const counter: WantedModel = {
  name: counterModel.name,
  labels: noLabels,
  find: () => [{ ...counterModel, stamp: "", load: async () => counterServable() }],
};

/** A model of the start, and where its versions lie; the counter lies nowhere. */
interface StartModel {
  readonly wanted: WantedModel;
  readonly basePath: string;
}

/**
 * Finds the models of all sources.
 *
 * @throws ModelFolderError if a folder of models has none, or two have one name
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
    stamp: fileStamp(model),
    load: async () => load(modelFolderFrom(model)),
  });
  const inFolder = ({ name, basePath, versionPolicy, versionLabels }: ServedModel): StartModel => ({
    wanted: {
      name,
      labels: versionLabels ?? noLabels,
      find: () => servedVersions({ name, basePath, versionPolicy }).map(loadableFrom),
    },
    basePath: resolve(basePath),
  });
  const fixed = (model: FoundModel): StartModel => ({
    wanted: { name: model.name, labels: noLabels, find: () => [loadableFrom(model)] },
    basePath: resolve(dirname(dirname(model.modelFile))),
  });
  const found = sources.flatMap((source): readonly StartModel[] => {
    if ("counter" in source) return [{ wanted: counter, basePath: "" }];
    if ("families" in source) return familyModels(source, onProgress).map(fixed);
    return ("name" in source ? [source] : modelsIn(source.directory)).map(inFolder);
  });
  assertDistinct(found.map(({ wanted }) => wanted.name));
  const allowed: AllowedBasePaths = {
    below: [
      ...sources.flatMap((source) => ("directory" in source ? [source.directory] : [])),
      ...reloadFolders,
    ],
    exactly: found.map(({ basePath }) => basePath).filter(Boolean),
  };

  return {
    atStart: found.map(({ wanted }) => wanted),
    wanted: (model, from) => {
      const { name, basePath } = model;
      const known = found.find(({ wanted }) => wanted.name === name);
      if (basePath === "" && known?.wanted === counter) return counter;
      if (basePath === "" && !known) {
        throw new ServingError(
          grpcCode.INVALID_ARGUMENT,
          `model ${name} has no base path, and this server did not start with one of that name`,
        );
      }
      const path = basePath || (known?.basePath ?? "");
      const assertFolder = () =>
        from === "caller" ? assertAllowed(name, path, allowed) : assertAbsolute(name, path);
      assertFolder();
      const { wanted } = inFolder({ ...model, basePath: path });
      return {
        ...wanted,
        find: () => {
          // Checked again: a link may have changed while earlier reloads ran.
          assertFolder();
          return wanted.find();
        },
      };
    },
  };
}

function assertDistinct(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new ModelFolderError(`two models have the name "${twice}"`);
  }
}
