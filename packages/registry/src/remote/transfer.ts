import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { ModelVersion } from "../model-folder.ts";
import { assertModelName } from "../names.ts";
import type { VersionReference } from "../reference.ts";
import type { Registry } from "../registry.ts";
import { RegistryError } from "../registry-error.ts";
import type { StagingOptions } from "../staging.ts";
import type { FetchedVersion, PushResult } from "./remote-store.ts";
import { openRemoteStore, type RemoteDeps, type RemoteOptions } from "./remote-stores.ts";

export interface TransferOptions extends StagingOptions, RemoteOptions {}

export interface PullOptions extends TransferOptions {
  /** Name in this registry; the one that it was pushed with by default. */
  readonly name?: string;
}

/** A version that was pulled. */
export interface PulledVersion {
  readonly version: ModelVersion;
  /** Whether it was here already, with the same files. */
  readonly isPresent: boolean;
}

/**
 * Copies a version to a remote store, such as `oci://registry.example/resnet50:1`. What is there already is not sent
 * again, and an upload that broke off is continued where the store has it.
 *
 * @throws RegistryError
 */
export async function pushVersion(
  registry: Registry,
  { reference, target }: { readonly reference: VersionReference; readonly target: string },
  {
    options = {},
    deps = {},
  }: { readonly options?: TransferOptions; readonly deps?: Partial<RemoteDeps> } = {},
): Promise<PushResult> {
  const store = openRemoteStore(target, options, deps);
  // No model can have a name with a dot at its beginning.
  const uploads = join(registry.directory, ".uploads");
  return store.push(await registry.version(reference), target, { ...options, uploads });
}

/**
 * Copies a version from a remote store into a registry. It keeps its number if that is free here, and gets the next
 * one otherwise. A download that broke off is continued.
 *
 * @throws RegistryError
 */
export async function pullVersion(
  registry: Registry,
  source: string,
  {
    options = {},
    deps = {},
  }: { readonly options?: PullOptions; readonly deps?: Partial<RemoteDeps> } = {},
): Promise<PulledVersion> {
  if (options.name !== undefined) assertModelName(options.name);
  // No model can have a name with a dot at its beginning.
  const downloads = join(registry.directory, ".downloads");
  const store = openRemoteStore(source, options, deps);
  const fetched = await store.fetch(source, { ...options, downloads });
  const name = options.name ?? fetched.name;
  const here = await presentVersion(registry, name, fetched);
  const version = here ?? (await registered(registry, name, fetched));
  for (const { file } of fetched.files) await rm(file, { force: true });
  return { version, isPresent: here !== undefined };
}

async function presentVersion(
  registry: Registry,
  name: string,
  { files }: FetchedVersion,
): Promise<ModelVersion | undefined> {
  const model = (await registry.models()).find((each) => each.name === name);
  const wanted = contentText(files);
  for (const version of model?.versions ?? []) {
    const found = await registry.version({ name, at: { kind: "version", version } });
    if (contentText(Object.values(found.forms).flatMap((form) => form.files)) === wanted)
      return found;
  }
  return undefined;
}

function contentText(files: readonly { readonly path: string; readonly sha256: string }[]): string {
  return files
    .map(({ path, sha256 }) => `${sha256} ${path}`)
    .toSorted()
    .join("\n");
}

async function registered(
  registry: Registry,
  name: string,
  { files, description, tags, version, reference }: FetchedVersion,
): Promise<ModelVersion> {
  const options = {
    from: files.map(({ path, file }) => ({ path, content: { kind: "file" as const, file } })),
    description,
    tags,
    source: reference,
  };
  if (version === undefined) return registry.register(name, options);
  try {
    return await registry.register(name, { ...options, version });
  } catch (thrown) {
    // The number means another version here, or a deleted one.
    if (!(thrown instanceof RegistryError && thrown.reason === "conflict")) throw thrown;
    return registry.register(name, options);
  }
}
