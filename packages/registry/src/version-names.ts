import { type ModelFolder, versionsOf } from "./model-folder.ts";
import { assertAlias } from "./names.ts";
import type { ImageForm, ModelRecord } from "./records.ts";
import { emptyRecord, type RegistryContext } from "./registry-context.ts";
import { RegistryError } from "./registry-error.ts";
import { existingVersion, unknownAlias } from "./resolve-version.ts";

/** What names a version, so that it cannot be deleted: besides aliases, images that hold it and services that run it. */
export type VersionUse =
  | ({ readonly kind: "image" } & ImageForm)
  | { readonly kind: "service"; readonly name: string };

/** Names a use, to forget it. */
export type UseName =
  | { readonly kind: "image"; readonly reference: string }
  | { readonly kind: "service"; readonly name: string };

/**
 * Changes a record of a model.
 *
 * @param version - must exist when the change is made: another process may delete it meanwhile
 */
export function changeRecord(
  context: RegistryContext,
  { folder, version }: { readonly folder: ModelFolder; readonly version?: bigint },
  change: (record: ModelRecord) => ModelRecord,
): Promise<ModelRecord> {
  return folder.record.update(async (record = emptyRecord(context)) => {
    if (version !== undefined) {
      existingVersion(folder.name, version, await versionsOf(folder, record));
    }
    return change(record);
  });
}

/** Makes aliases name a version. */
export function withAliases(
  record: ModelRecord,
  aliases: readonly string[],
  version: bigint,
): ModelRecord {
  for (const alias of aliases) assertAlias(alias);
  const added = Object.fromEntries(aliases.map((alias) => [alias, version]));
  return { ...record, aliases: { ...record.aliases, ...added } };
}

/** @throws RegistryError `not-found` if there is no such alias */
export function withoutAlias(record: ModelRecord, name: string, alias: string): ModelRecord {
  if (!Object.hasOwn(record.aliases, alias)) throw unknownAlias(name, alias, record);
  const { [alias]: _, ...aliases } = record.aliases;
  return { ...record, aliases };
}

export function withUse(record: ModelRecord, use: VersionUse, version: bigint): ModelRecord {
  if (use.kind === "service") {
    return { ...record, services: { ...record.services, [use.name]: { version } } };
  }
  const { kind: _, reference, ...image } = use;
  return { ...record, images: { ...record.images, [reference]: { version, ...image } } };
}

export function withoutUse(record: ModelRecord, use: UseName): ModelRecord {
  if (use.kind === "service") {
    const { [use.name]: _, ...services } = record.services;
    return { ...record, services };
  }
  const { [use.reference]: _, ...images } = record.images;
  return { ...record, images };
}

/** Marks a version as deleted. @throws RegistryError `in-use` with everything that names it */
export function withoutVersion(record: ModelRecord, name: string, version: bigint): ModelRecord {
  const namedBy = [
    ...Object.entries(record.aliases)
      .filter(([, named]) => named === version)
      .map(([alias]) => `alias ${alias}`),
    ...Object.entries(record.images)
      .filter(([, named]) => named.version === version)
      .map(([reference]) => `image ${reference}`),
    ...Object.entries(record.services)
      .filter(([, named]) => named.version === version)
      .map(([service]) => `service ${service}`),
  ];
  if (namedBy.length === 0) return { ...record, deleted: [...record.deleted, version] };
  throw new RegistryError(
    "in-use",
    `${name}@${version} cannot be deleted, because it is named by ${namedBy.join(", ")}; move or remove ${namedBy.length === 1 ? "it" : "them"} first`,
  );
}
