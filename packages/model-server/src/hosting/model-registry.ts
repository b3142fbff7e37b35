import { existsSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { grpcCode } from "@tensorgate/grpc";
import { openRegistry, parseReference } from "@tensorgate/registry";
import { ServingError } from "@tensorgate/tf-serving";
import { counterModel, counterServable } from "../counter/counter.ts";
import { ModelFolderError } from "../manifest.ts";
import { type FoundModel, modelFolderFrom } from "../model-folder.ts";
import {
  familyModels,
  fileStamp,
  type ModelFolder,
  type ModelSource,
  modelsOf,
  presentModels,
  type RegistrySource,
  servedVersions,
} from "../model-folders.ts";
import type { Servable } from "../servable.ts";
import type { GenerationProgress } from "../topologies/seeded-family.ts";
import { type AllowedBasePaths, assertAbsolute, assertAllowed } from "./base-paths.ts";
import type { Loadable, WantedModel } from "./loadable.ts";
import type { ServedModel } from "./served-model.ts";
import type { LabelledModel } from "./version-labels.ts";

export interface ModelRegistryDeps {
  readonly sources: readonly ModelSource[];
  /** Folders below which a reload may name base paths, in addition to those of the sources. */
  readonly reloadFolders: readonly string[];
  /** Whether of the models in folders only the latest version is served, as on a device that holds one. */
  readonly isLatestOnly: boolean;
  readonly load: (folder: ModelFolder) => Promise<Servable>;
  readonly onProgress: (progress: GenerationProgress) => void;
}

/** The models that a server may load. */
export interface ModelRegistry {
  /** The models of the sources, in their order. */
  readonly atStart: readonly WantedModel[];
  /** Models that come to the folders of the sources while the server runs. */
  readonly later: readonly WantedModel[];
  /**
   * Resolves a model of a list; without a base path, what the server started with under that name.
   *
   * @param from - `caller` if any caller may have sent the list: only folders that are allowed may be named then
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
  isLatestOnly,
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
    if ("registry" in source) return registeredModels(source, loadableFrom);
    if ("name" in source) return [inFolder(source)];
    return modelsOf(source).map((model) => {
      const started = withAliases(inFolder(model), source.directory);
      if (isLatestOnly) return started;
      const find = async () => (await latestAndNamed(model, source.directory)).map(loadableFrom);
      return { ...started, wanted: { ...started.wanted, find } };
    });
  });
  const names = found.map(({ wanted }) => wanted.name);
  assertDistinct(names);
  const later = sources.flatMap((source) =>
    "directory" in source ? [modelsLater(source.directory, new Set(names), loadableFrom)] : [],
  );
  const allowed: AllowedBasePaths = {
    below: [
      ...sources.flatMap((source) => {
        if ("directory" in source) return [source.directory];
        return "registry" in source ? [source.registry] : [];
      }),
      ...reloadFolders,
    ],
    exactly: found.map(({ basePath }) => basePath).filter(Boolean),
  };

  return {
    atStart: found.map(({ wanted }) => wanted),
    later,
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
      const aliases = known?.basePath === resolve(path) ? known.wanted.aliases : undefined;
      return {
        ...wanted,
        ...(aliases && { aliases }),
        find: async () => {
          // Checked again: a link may have changed while earlier reloads ran.
          assertFolder();
          return wanted.find();
        },
      };
    },
  };
}

type LoadableFrom = (model: FoundModel) => Loadable;

/** The versions of a registry that are to be served, by their models. Aliases are looked up again every time. */
function registeredModels(
  { registry: directory, serve }: RegistrySource,
  loadableFrom: LoadableFrom,
): readonly StartModel[] {
  const registry = openRegistry(directory);
  const byName = Map.groupBy(serve, (reference) => parseReference(reference).name);
  return [...byName].map(([name, references]) => {
    const basePath = join(registry.directory, name);
    const find = async () => {
      const located = await Promise.all(references.map((each) => registry.locate(each)));
      const versions = located.map(({ version }) => version);
      const versionPolicy = { kind: "specific", versions } as const;
      return servedVersions({ name, basePath, versionPolicy }).map(loadableFrom);
    };
    return withAliases({ wanted: { name, labels: noLabels, find }, basePath }, directory);
  });
}

/** A model whose aliases are labels, if its folder is a registry. */
function withAliases({ wanted, basePath }: StartModel, directory: string): StartModel {
  return {
    wanted: { ...wanted, aliases: () => aliasesIn(directory, [wanted.name]) },
    basePath,
  };
}

/**
 * Finds the highest version of a model, and those that an alias names, which calls ask for by that label.
 *
 * @throws RegistryError if the aliases cannot be read
 */
async function latestAndNamed(
  { name, basePath }: ServedModel,
  directory: string,
): Promise<readonly FoundModel[]> {
  const labelled = await aliasesIn(directory, [name]);
  const named = new Set(labelled.flatMap(({ labels }) => [...labels.values()]));
  const all = servedVersions({ name, basePath, versionPolicy: { kind: "all" } });
  return all.filter(({ version }, index) => index === 0 || named.has(version));
}

/** Reads the aliases of models that a registry knows. @throws RegistryError if they cannot be read */
function aliasesIn(directory: string, names: readonly string[]): Promise<readonly LabelledModel[]> {
  const registry = openRegistry(directory);
  const registered = names.filter((name) => existsSync(join(directory, name, "model.json")));
  return Promise.all(
    registered.map(async (name) => {
      const { aliases } = await registry.model(name);
      return { name, labels: new Map(Object.entries(aliases)) };
    }),
  );
}

/** The models of a folder that were not there at the start, with their highest versions and those of aliases. */
function modelsLater(
  directory: string,
  atStart: ReadonlySet<string>,
  loadableFrom: LoadableFrom,
): WantedModel {
  const present = () => presentModels(directory).filter(({ name }) => !atStart.has(name));
  return {
    name: directory,
    isLater: true,
    labels: noLabels,
    find: async () => {
      const found = await Promise.all(present().map((model) => latestAndNamed(model, directory)));
      return found.flat().map(loadableFrom);
    },
    aliases: () =>
      aliasesIn(
        directory,
        present().map(({ name }) => name),
      ),
  };
}

function assertDistinct(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new ModelFolderError(`two models have the name "${twice}"`);
  }
}
