import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Document, openDocument, unlessMissing } from "./document.ts";
import type { FileChanges } from "./file-changes.ts";
import { isModelName, versionFrom } from "./names.ts";
import {
  type FileForm,
  type FileFormName,
  type ImageForm,
  type ModelRecord,
  modelSchema,
  type Registration,
  registrationSchema,
  type Tags,
} from "./records.ts";
import { formsIn, isModel } from "./version-files.ts";

/** A registered model. */
export interface RegisteredModel {
  readonly name: string;
  readonly description: string;
  readonly tags: Tags;
  /** ISO 8601; undefined for a folder that was not made by a registry. */
  readonly createdAt: string | undefined;
  readonly aliases: Readonly<Record<string, bigint>>;
  /** The highest one first. */
  readonly versions: readonly bigint[];
}

/** A version of a registered model. */
export interface ModelVersion {
  readonly name: string;
  readonly version: bigint;
  /** Absolute path. */
  readonly folder: string;
  readonly description: string;
  readonly tags: Tags;
  /** ISO 8601; undefined for a folder that was not made by a registry. */
  readonly createdAt: string | undefined;
  readonly source: string | undefined;
  /** Aliases that name it, sorted. */
  readonly aliases: readonly string[];
  /** Services that run it, sorted. */
  readonly services: readonly string[];
  readonly forms: Readonly<Partial<Record<FileFormName, FileForm>>>;
  readonly images: readonly ImageForm[];
}

/** The folder of a model as it is now. */
export interface ModelFolder {
  readonly name: string;
  readonly path: string;
  readonly record: Document<ModelRecord>;
  versionPath(version: bigint): Promise<string>;
  registration(version: bigint): Promise<Document<Registration>>;
}

export function openModelFolder(
  registryFolder: string,
  name: string,
  changes: FileChanges,
): ModelFolder {
  const path = join(registryFolder, name);
  const versionPath = async (version: bigint): Promise<string> => {
    // Leading zeros are allowed: `00000123` is version 123.
    const written = (await readdir(path).catch(unlessMissing([]))).find(
      (each) => versionFrom(each) === version,
    );
    return join(path, written ?? String(version));
  };
  return {
    name,
    path,
    record: openDocument(join(path, "model.json"), modelSchema, changes),
    versionPath,
    registration: async (version) =>
      openDocument(
        join(await versionPath(version), "registration.json"),
        registrationSchema,
        changes,
      ),
  };
}

/** Returns the versions that are there, the highest one first; deleted ones are not. */
export async function versionsOf(
  { path }: ModelFolder,
  record: ModelRecord | undefined,
): Promise<readonly bigint[]> {
  const found: bigint[] = [];
  for (const name of await readdir(path).catch(unlessMissing([]))) {
    const version = versionFrom(name);
    if (version === undefined || record?.deleted.includes(version)) continue;
    if (await holdsVersion(join(path, name))) found.push(version);
  }
  return [...new Set(found)].toSorted((a, b) => (a > b ? -1 : 1));
}

async function holdsVersion(folder: string): Promise<boolean> {
  const names: readonly string[] = await readdir(folder).catch(unlessMissing([]));
  return names.includes("registration.json") || isModel(names);
}

/** Lists the names of models in a folder, sorted. */
export async function modelNamesIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(unlessMissing([]));
  const names: string[] = [];
  for (const { name } of entries) {
    if (isModelName(name) && (await holdsModel(join(directory, name)))) names.push(name);
  }
  return names.toSorted();
}

/** Whether a folder is that of a model. */
export async function holdsModel(path: string): Promise<boolean> {
  // A link may lead nowhere, and a folder may be deleted meanwhile.
  if (!(await stat(path).catch(unlessMissing(undefined)))?.isDirectory()) return false;
  const children: readonly string[] = await readdir(path).catch(unlessMissing([]));
  return (
    children.includes("model.json") || children.some((each) => versionFrom(each) !== undefined)
  );
}

/** Reads a version. A folder that was not made by a registry has the forms of its files, which are hashed then. */
export async function readVersion(
  model: ModelFolder,
  version: bigint,
  record: ModelRecord | undefined,
): Promise<ModelVersion> {
  const folder = await model.versionPath(version);
  const registration = await (await model.registration(version)).read();
  return {
    name: model.name,
    version,
    folder,
    description: registration?.description ?? "",
    tags: registration?.tags ?? {},
    createdAt: registration?.createdAt,
    source: registration?.source,
    aliases: namesOf(record?.aliases, (each) => each === version),
    services: namesOf(record?.services, (each) => each.version === version),
    forms: registration?.forms ?? (await formsIn(folder)),
    images: Object.entries(record?.images ?? {})
      .filter(([, image]) => image.version === version)
      .map(([reference, { version: _, ...image }]) => ({ reference, ...image })),
  };
}

function namesOf<Value>(
  record: Readonly<Record<string, Value>> | undefined,
  isMeant: (value: Value) => boolean,
): readonly string[] {
  return Object.entries(record ?? {})
    .filter(([, value]) => isMeant(value))
    .map(([name]) => name)
    .toSorted();
}
