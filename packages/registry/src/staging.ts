import { createHash, randomUUID } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { unlessMissing } from "./document.ts";
import type { FileChanges } from "./file-changes.ts";
import type { FormFile } from "./records.ts";
import { RegistryError } from "./registry-error.ts";
import type { SourceFile } from "./version-files.ts";

/** What long work has done so far. */
export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface StagingOptions {
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

const prefix = ".staging-";

/** An unfinished folder of this age belongs to a process that ended. */
const abandonedMs = 24 * 60 * 60 * 1_000;

/** Returns the path of a new unfinished folder, which no model server takes for a version. */
export function stagingFolder(modelFolder: string): string {
  return join(modelFolder, `${prefix}${randomUUID()}`);
}

/**
 * Puts files into an unfinished folder, and hashes them on the way.
 *
 * @throws the reason of the signal if it aborts
 */
export async function stageFiles(
  files: readonly SourceFile[],
  folder: string,
  { onProgress, signal, changes }: StagingOptions & { readonly changes: FileChanges },
): Promise<readonly FormFile[]> {
  const sizes = await Promise.all(files.map(sizeOf));
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  let doneBytes = 0;
  await changes.makeFolder(folder);
  const staged: FormFile[] = [];
  for (const { path, content } of files) {
    signal?.throwIfAborted();
    const to = join(folder, ...path.split("/"));
    await changes.makeFolder(dirname(to));
    let byteCount = 0;
    const hash = createHash("sha256");
    const onBytes = (bytes: Uint8Array) => {
      signal?.throwIfAborted();
      hash.update(bytes);
      byteCount += bytes.length;
      doneBytes += bytes.length;
      onProgress?.({ doneBytes, totalBytes });
    };
    if (content.kind === "file") {
      await changes.copy(content.file, to, onBytes);
    } else {
      const bytes = bytesOf(content.bytes);
      onBytes(bytes);
      await changes.write(to, bytes);
    }
    staged.push({ path, sha256: hash.digest("hex"), byteCount });
  }
  return staged;
}

const bytesOf = (content: Uint8Array | string) =>
  typeof content === "string" ? new TextEncoder().encode(content) : content;

async function sizeOf({ path, content }: SourceFile): Promise<number> {
  if (content.kind === "bytes") return bytesOf(content.bytes).length;
  const stats = await stat(content.file).catch(unlessMissing(undefined));
  if (stats?.isFile()) return stats.size;
  throw new RegistryError("not-found", `${content.file} not found, which is to become ${path}`);
}

/** Removes unfinished folders of processes that ended. @param nowMs - milliseconds since 1970 */
export async function removeAbandoned(
  modelFolder: string,
  nowMs: number,
  { remove }: Pick<FileChanges, "remove">,
): Promise<void> {
  for (const name of await readdir(modelFolder).catch(unlessMissing([]))) {
    if (!name.startsWith(prefix)) continue;
    const path = join(modelFolder, name);
    const stats = await stat(path).catch(unlessMissing(undefined));
    if (stats && nowMs - stats.mtimeMs > abandonedMs) await remove(path);
  }
}
