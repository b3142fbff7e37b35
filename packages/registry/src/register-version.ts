import { dirname, join, resolve } from "node:path";
import { annotated } from "./annotate.ts";
import { documentText } from "./document.ts";
import { fileError, publishFolder } from "./file-changes.ts";
import { type ModelFolder, openModelFolder, versionsOf } from "./model-folder.ts";
import { assertAlias, assertModelName } from "./names.ts";
import { type FormFile, type Registration, relativePath } from "./records.ts";
import { type RegistryContext, timeText } from "./registry-context.ts";
import { RegistryError } from "./registry-error.ts";
import type { ResolvedVersion } from "./resolve-version.ts";
import { removeAbandoned, type StagingOptions, stageFiles, stagingFolder } from "./staging.ts";
import { formsFrom, formsIn, isModel, type SourceFile, sourceFiles } from "./version-files.ts";
import { changeRecord, withAliases } from "./version-names.ts";

export interface RegisterOptions extends StagingOptions {
  /** A folder with `saved_model.pb` or `model.onnx`, an ONNX file, or the files themselves. */
  readonly from: string | readonly SourceFile[];
  readonly description?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Aliases that name the version afterwards. */
  readonly aliases?: readonly string[];
  /** Number of the version; one more than the highest there ever was by default. */
  readonly version?: bigint;
  /** Where it comes from; the path by default. */
  readonly source?: string;
}

/** Copies a model into the folder of a new version, which appears whole. */
export async function registerVersion(
  context: RegistryContext,
  name: string,
  options: RegisterOptions,
): Promise<ResolvedVersion> {
  assertModelName(name);
  const { root, changes, nowMs } = context;
  const { from, aliases = [], version: wanted, tags = {}, description = "" } = options;
  for (const alias of aliases) assertAlias(alias);
  const files = typeof from === "string" ? await sourceFiles(from) : from;
  assertModelFiles(name, files);
  const source = options.source ?? (typeof from === "string" ? resolve(from) : undefined);
  const about = {
    ...annotated({ description, tags: {} }, { tags }),
    createdAt: timeText(context),
    ...(source !== undefined && { source }),
  };
  const folder = openModelFolder(root, name, changes);
  // A number that is taken is reported before gigabytes are copied.
  await nextVersion(folder, wanted);
  await removeAbandoned(folder.path, nowMs(), changes);
  const staging = stagingFolder(folder.path);
  let version: bigint;
  try {
    const forms = formsFrom(await stageFiles(files, staging, { ...options, changes }));
    const registration: Registration = { ...about, forms };
    await changes.write(
      join(staging, "registration.json"),
      documentText({ revision: 1, ...registration }),
    );
    do {
      version = await nextVersion(folder, wanted);
    } while (!(await publishFolder(changes, staging, join(folder.path, String(version)))));
  } catch (thrown) {
    // Where nothing could be made, nothing can be removed; the first failure counts.
    await changes.remove(staging).catch(() => {});
    throw fileError(`cannot register ${name} in ${root}`, thrown);
  }
  const before = await folder.record.read();
  const record =
    before && aliases.length === 0
      ? before
      : await changeRecord(context, { folder, version }, (current) =>
          withAliases(current, aliases, version),
        );
  return { folder, version, record };
}

function assertModelFiles(name: string, files: readonly SourceFile[]): void {
  const paths = files.map(({ path }) => path);
  const outside = paths.find((path) => !relativePath.safeParse(path).success);
  if (outside !== undefined) {
    throw new RegistryError("invalid", `file "${outside}" is outside of the folder of ${name}`);
  }
  if (isModel(paths)) return;
  throw new RegistryError(
    "invalid",
    `the files of ${name} have neither saved_model.pb nor model.onnx`,
  );
}

/** @throws RegistryError `conflict` if the wanted number is taken */
async function nextVersion(folder: ModelFolder, wanted: bigint | undefined): Promise<bigint> {
  // Folders before the record: a deletion records the number before it moves the folder away.
  const versions = await versionsOf(folder, undefined);
  const deleted = (await folder.record.read())?.deleted ?? [];
  if (wanted === undefined) {
    return [...versions, ...deleted].reduce((a, b) => (a > b ? a : b), 0n) + 1n;
  }
  const fault = deleted.includes(wanted)
    ? "was deleted"
    : versions.includes(wanted)
      ? "already exists"
      : undefined;
  if (fault === undefined) return wanted;
  throw new RegistryError(
    "conflict",
    `version ${wanted} of ${folder.name} ${fault}; give another number, or none for the next one`,
  );
}

/**
 * Puts further files into a version. `model.onnx`, which makes servers load the version, is moved there last.
 *
 * Forms of files that are replaced are taken from the registration first, so that a listed digest is never that of
 * another file.
 */
export async function addVersionFiles(
  context: RegistryContext,
  { folder, version }: ResolvedVersion,
  { files, ...options }: StagingOptions & { readonly files: readonly SourceFile[] },
): Promise<void> {
  const { changes } = context;
  const target = await folder.versionPath(version);
  const staging = stagingFolder(folder.path);
  const registration = await folder.registration(version);
  const hashed = (await registration.read()) ? {} : await formsIn(target);
  const found: Registration = {
    description: "",
    tags: {},
    createdAt: timeText(context),
    forms: hashed,
  };
  try {
    const staged = await stageFiles(files, staging, { ...options, changes });
    await registration.update((current = found) => ({
      ...current,
      forms: formsFrom(others(current), current.forms),
    }));
    const inOrder = staged.toSorted((a, b) => order(a) - order(b));
    for (const { path } of inOrder) {
      const to = join(target, ...path.split("/"));
      await changes.makeFolder(dirname(to));
      await changes.rename(join(staging, ...path.split("/")), to);
    }
    await registration.update((current = found) => ({
      ...current,
      forms: formsFrom([...others(current), ...staged], current.forms),
    }));
  } catch (thrown) {
    throw fileError(`cannot add files to ${folder.name}@${version}`, thrown);
  } finally {
    await changes.remove(staging);
  }

  function others({ forms }: Registration): readonly FormFile[] {
    const replaced = new Set(files.map(({ path }) => path));
    return Object.values(forms)
      .flatMap((form) => form.files)
      .filter(({ path }) => !replaced.has(path));
  }
}

const order = ({ path }: FormFile) => (path === "model.onnx" ? 1 : 0);
