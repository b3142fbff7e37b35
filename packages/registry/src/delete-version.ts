import { fileError, isCode } from "./file-changes.ts";
import { versionsOf } from "./model-folder.ts";
import { parseReference, referenceText, type VersionReference } from "./reference.ts";
import type { RegistryContext } from "./registry-context.ts";
import { RegistryError } from "./registry-error.ts";
import { findModel, resolveVersion } from "./resolve-version.ts";
import { stagingFolder } from "./staging.ts";
import { changeRecord, withoutVersion } from "./version-names.ts";

/**
 * Deletes a version: its number is recorded first, so that nothing can name it from then on, and its folder is moved
 * away whole. A deletion that was interrupted is finished by the next one.
 */
export async function deleteVersion(
  context: RegistryContext,
  given: VersionReference,
): Promise<void> {
  const { changes } = context;
  const reference = typeof given === "string" ? parseReference(given) : given;
  const { name, at } = reference;
  const folder = await findModel(context, name);
  const deleted = (await folder.record.read())?.deleted ?? [];
  const isInterrupted = at.kind === "version" && deleted.includes(at.version);
  const version = isInterrupted ? at.version : (await resolveVersion(context, reference)).version;
  if (!isInterrupted) {
    await changeRecord(context, { folder, version }, (record) =>
      withoutVersion(record, name, version),
    );
  }
  const path = await folder.versionPath(version);
  const removed = stagingFolder(folder.path);
  try {
    await changes.rename(path, removed);
    await changes.remove(removed);
  } catch (thrown) {
    if (!isCode(thrown, "ENOENT")) throw fileError(`cannot delete ${path}`, thrown);
    throw new RegistryError("not-found", `${referenceText(reference)} is deleted already`);
  }
}

/** Deletes a model without versions. @throws RegistryError `in-use` if it has some */
export async function deleteModel(context: RegistryContext, name: string): Promise<void> {
  const folder = await findModel(context, name);
  const versions = await versionsOf(folder, await folder.record.read());
  if (versions.length === 0) return context.changes.remove(folder.path);
  const list = versions.map((version) => `${name}@${version}`).join(", ");
  throw new RegistryError("in-use", `${name} has versions; delete them first: ${list}`);
}
