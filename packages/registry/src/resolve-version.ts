import { join } from "node:path";
import { listedNames, nearestNames } from "@tensorgate/core";
import {
  holdsModel,
  type ModelFolder,
  modelNamesIn,
  openModelFolder,
  versionsOf,
} from "./model-folder.ts";
import { assertModelName } from "./names.ts";
import type { ModelRecord } from "./records.ts";
import { type ModelReference, parseReference, type VersionReference } from "./reference.ts";
import type { RegistryContext } from "./registry-context.ts";
import { RegistryError } from "./registry-error.ts";

/** A version that a reference names. */
export interface ResolvedVersion {
  readonly folder: ModelFolder;
  readonly record: ModelRecord | undefined;
  readonly version: bigint;
}

/** @throws RegistryError `not-found`, with the nearest names */
export async function findModel(context: RegistryContext, name: string): Promise<ModelFolder> {
  assertModelName(name);
  const { root, changes } = context;
  // Servers ask for each of their models every second: the others are listed for the message only.
  if (await holdsModel(join(root, name))) return openModelFolder(root, name, changes);
  const names = await modelNamesIn(root);
  throw new RegistryError("not-found", `no model "${name}" in ${root}; ${nameHint(name, names)}`);
}

function nameHint(name: string, names: readonly string[]): string {
  const near = nearestNames(name, names, 3);
  if (near.length > 0) return `did you mean ${near.join(" or ")}?`;
  if (names.length > 0) return `models: ${listedNames(names)}`;
  return "it has no models; add one: tensorgate registry register NAME --from FOLDER";
}

/** @throws RegistryError `not-found`, or `invalid` for a text that is no reference */
export async function resolveVersion(
  context: RegistryContext,
  given: VersionReference,
): Promise<ResolvedVersion> {
  const reference = typeof given === "string" ? parseReference(given) : given;
  const folder = await findModel(context, reference.name);
  const record = await folder.record.read();
  const versions = await versionsOf(folder, record);
  return { folder, record, version: chosenVersion(reference, versions, record) };
}

function chosenVersion(
  { name, at }: ModelReference,
  versions: readonly bigint[],
  record: ModelRecord | undefined,
): bigint {
  switch (at.kind) {
    case "latest": {
      const [latest] = versions;
      if (latest !== undefined) return latest;
      throw new RegistryError("not-found", `${name} has no versions`);
    }
    case "version":
      return existingVersion(name, at.version, versions);
    case "alias": {
      const aliases = record?.aliases ?? {};
      const version = Object.hasOwn(aliases, at.alias) ? aliases[at.alias] : undefined;
      if (version === undefined) throw unknownAlias(name, at.alias, record);
      return existingVersion(name, version, versions);
    }
  }
}

/** @throws RegistryError `not-found` for a version that is not there */
export function existingVersion(
  name: string,
  version: bigint,
  versions: readonly bigint[],
): bigint {
  if (versions.includes(version)) return version;
  throw new RegistryError(
    "not-found",
    `${name} has no version ${version}; versions: ${listedNames(versions.map(String))}`,
  );
}

/** Explains that a model has no such alias. */
export function unknownAlias(
  name: string,
  alias: string,
  record: ModelRecord | undefined,
): RegistryError {
  const aliases = listedNames(Object.keys(record?.aliases ?? {}));
  return new RegistryError("not-found", `${name} has no alias "${alias}"; aliases: ${aliases}`);
}
