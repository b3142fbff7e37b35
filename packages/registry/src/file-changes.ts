import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { RegistryError } from "./registry-error.ts";

/** Every change that the registry makes on disk. */
export interface FileChanges {
  /** Creates a folder and those above it. */
  makeFolder(path: string): Promise<void>;
  /** Writes a file and flushes it to the disk. */
  write(path: string, content: string | Uint8Array): Promise<void>;
  /** Copies a file, flushes it to the disk, and hands each piece to `onBytes`. */
  copy(from: string, to: string, onBytes: (bytes: Uint8Array) => void): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a folder with what is in it, if it exists. */
  remove(path: string): Promise<void>;
}

const pieceBytes = 1 << 20;

/** Changes files on the disk. @param flushes - whether a file is on the disk when it is written, which a test does not need */
export function createFileChanges({ flushes }: { readonly flushes: boolean }): FileChanges {
  const flush = (file: FileHandle) => (flushes ? file.sync() : undefined);
  return {
    makeFolder: async (path) => void (await mkdir(path, { recursive: true })),
    write: async (path, content) => {
      await using file = await open(path, "wx");
      await file.writeFile(content);
      await flush(file);
    },
    copy: async (from, to, onBytes) => {
      await using file = await open(to, "wx");
      for await (const piece of createReadStream(from, { highWaterMark: pieceBytes })) {
        const bytes = piece as Uint8Array;
        onBytes(bytes);
        await file.writeFile(bytes);
      }
      await flush(file);
    },
    rename,
    remove: (path) => rm(path, { recursive: true, force: true }),
  };
}

/**
 * Moves a finished folder to its place, which is the only way anything gets a name in the registry: no reader sees
 * half of it, and of two processes that move one to the same place exactly one succeeds.
 *
 * @param from - not empty: an empty folder would be replaced by the next one
 * @returns false if the place is taken
 */
export async function publishFolder(
  { rename: move }: Pick<FileChanges, "rename">,
  from: string,
  to: string,
): Promise<boolean> {
  try {
    await move(from, to);
    return true;
  } catch (thrown) {
    if (isCode(thrown, "ENOTEMPTY", "EEXIST", "ENOTDIR")) return false;
    throw thrown;
  }
}

/** Whether an error of the file system has one of these codes. */
export function isCode(thrown: unknown, ...codes: readonly string[]): boolean {
  return thrown instanceof Error && "code" in thrown && codes.includes(String(thrown.code));
}

/**
 * Returns the SHA-256 of a file, in hexadecimal.
 *
 * @throws RegistryError `file` if it cannot be read
 */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const piece of createReadStream(path, { highWaterMark: pieceBytes })) {
      hash.update(piece as Uint8Array);
    }
  } catch (cause) {
    throw fileError(`cannot read ${path}`, cause);
  }
  return hash.digest("hex");
}

/** Explains an error of the file system. An error of the registry stays as it is. */
export function fileError(what: string, cause: unknown): unknown {
  if (cause instanceof RegistryError || isAbort(cause)) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RegistryError("file", `${what}: ${reason}`, { cause });
}

const isAbort = (thrown: unknown) => thrown instanceof Error && thrown.name === "AbortError";
