import { resolve } from "node:path";
import { type Annotations, annotated } from "./annotate.ts";
import { deleteModel, deleteVersion } from "./delete-version.ts";
import {
  type ModelFolder,
  type ModelVersion,
  modelNamesIn,
  openModelFolder,
  type RegisteredModel,
  readVersion,
  versionsOf,
} from "./model-folder.ts";
import { assertAlias } from "./names.ts";
import type { VersionReference } from "./reference.ts";
import { addVersionFiles, type RegisterOptions, registerVersion } from "./register-version.ts";
import {
  emptyRecord,
  type RegistryContext,
  type RegistryDeps,
  systemDeps,
  timeText,
} from "./registry-context.ts";
import { findModel, type ResolvedVersion, resolveVersion } from "./resolve-version.ts";
import type { StagingOptions } from "./staging.ts";
import { formsIn, type SourceFile } from "./version-files.ts";
import {
  changeRecord,
  type UseName,
  type VersionUse,
  withAliases,
  withoutAlias,
  withoutUse,
  withUse,
} from "./version-names.ts";

/** Models with their versions in a folder that TensorFlow Serving, Triton and our own server read as it is. */
export interface Registry {
  /** Absolute path. */
  readonly directory: string;
  /**
   * Copies a model into the registry as a new version. Readers see all of it or nothing, and several processes may
   * register at the same time.
   *
   * @throws RegistryError `not-found` or `invalid` for the files, `conflict` for a version that exists or was deleted
   */
  register(name: string, options: RegisterOptions): Promise<ModelVersion>;
  /** Lists the models by their names. */
  models(): Promise<readonly RegisteredModel[]>;
  /** @throws RegistryError `not-found`, with the nearest names */
  model(name: string): Promise<RegisteredModel>;
  /**
   * Finds a version: `name` (the latest), `name@3`, `name@alias`, `models:/name/3`.
   *
   * @throws RegistryError `not-found`, or `invalid` for a text that is no reference
   */
  version(reference: VersionReference): Promise<ModelVersion>;
  /**
   * Finds the folder of a version, without reading its files.
   *
   * @throws RegistryError `not-found`, or `invalid` for a text that is no reference
   */
  locate(reference: VersionReference): Promise<LocatedVersion>;
  /** Makes an alias name a version. @throws RegistryError `not-found`, `invalid` */
  setAlias(name: string, alias: string, version: bigint): Promise<RegisteredModel>;
  /** @throws RegistryError `not-found` */
  removeAlias(name: string, alias: string): Promise<RegisteredModel>;
  annotateModel(name: string, annotations: Annotations): Promise<RegisteredModel>;
  annotateVersion(reference: VersionReference, annotations: Annotations): Promise<ModelVersion>;
  /**
   * Puts further files into a version, such as the ONNX form of a SavedModel. Each file appears whole, `model.onnx` as
   * the last one. Files of the same paths are replaced.
   */
  addFiles(
    reference: VersionReference,
    files: readonly SourceFile[],
    options?: StagingOptions,
  ): Promise<ModelVersion>;
  /** Records an image that holds a version, or a service that runs it. */
  recordUse(reference: VersionReference, use: VersionUse): Promise<ModelVersion>;
  forgetUse(name: string, use: UseName): Promise<RegisteredModel>;
  /**
   * Deletes a version. Its number is not used again.
   *
   * @throws RegistryError `in-use` while an alias, an image or a service names it, and lists them
   */
  deleteVersion(reference: VersionReference): Promise<void>;
  /** Deletes a model. @throws RegistryError `in-use` while it has versions */
  deleteModel(name: string): Promise<void>;
}

export type LocatedVersion = Pick<ModelVersion, "name" | "version" | "folder">;

/** Opens a registry. Its folder is created with the first model. */
export function openRegistry(directory: string, deps: Partial<RegistryDeps> = {}): Registry {
  const context: RegistryContext = { root: resolve(directory), ...systemDeps, ...deps };
  const { root, changes } = context;

  const describe = async (folder: ModelFolder): Promise<RegisteredModel> => {
    const record = await folder.record.read();
    const { description = "", tags = {}, createdAt, aliases = {} } = record ?? {};
    const versions = await versionsOf(folder, record);
    return { name: folder.name, description, tags, createdAt, aliases, versions };
  };

  return {
    directory: root,
    register: async (name, options) => viewOf(await registerVersion(context, name, options)),
    models: async () => {
      const names = await modelNamesIn(root);
      return Promise.all(names.map((name) => describe(openModelFolder(root, name, changes))));
    },
    model: async (name) => describe(await findModel(context, name)),
    locate: async (reference) => {
      const { folder, version } = await resolveVersion(context, reference);
      return { name: folder.name, version, folder: await folder.versionPath(version) };
    },
    version: async (reference) => viewOf(await resolveVersion(context, reference)),
    setAlias: async (name, alias, version) => {
      assertAlias(alias);
      const folder = await findModel(context, name);
      await changeRecord(context, { folder, version }, (record) =>
        withAliases(record, [alias], version),
      );
      return describe(folder);
    },
    removeAlias: async (name, alias) => {
      const folder = await findModel(context, name);
      await changeRecord(context, { folder }, (record) => withoutAlias(record, name, alias));
      return describe(folder);
    },
    annotateModel: async (name, annotations) => {
      const folder = await findModel(context, name);
      await folder.record.update((record = emptyRecord(context)) => annotated(record, annotations));
      return describe(folder);
    },
    annotateVersion: async (reference, annotations) => {
      const resolved = await resolveVersion(context, reference);
      const { folder, version } = resolved;
      const registration = await folder.registration(version);
      await registration.update(async (current) => {
        const found = current ?? {
          description: "",
          tags: {},
          createdAt: timeText(context),
          forms: await formsIn(await folder.versionPath(version)),
        };
        return annotated(found, annotations);
      });
      return viewOf(resolved);
    },
    addFiles: async (reference, files, options = {}) => {
      const resolved = await resolveVersion(context, reference);
      await addVersionFiles(context, resolved, { ...options, files });
      return viewOf(resolved);
    },
    recordUse: async (reference, use) => {
      const { folder, version } = await resolveVersion(context, reference);
      const record = await changeRecord(context, { folder, version }, (current) =>
        withUse(current, use, version),
      );
      return viewOf({ folder, version, record });
    },
    forgetUse: async (name, use) => {
      const folder = await findModel(context, name);
      await changeRecord(context, { folder }, (record) => withoutUse(record, use));
      return describe(folder);
    },
    deleteVersion: (reference) => deleteVersion(context, reference),
    deleteModel: (name) => deleteModel(context, name),
  };
}

function viewOf({ folder, version, record }: ResolvedVersion): Promise<ModelVersion> {
  return readVersion(folder, version, record);
}
