import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";

/** A file of the web whose content is known. */
export interface PinnedFile {
  readonly url: string;
  /** In hexadecimal. */
  readonly sha256: string;
  readonly byteLength: number;
}

export interface DownloadOptions {
  /** Where it is put. What was received of it is kept in `<file>.part`, from which the next download goes on. */
  readonly file: string;
  readonly fetch?: typeof fetch;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

export interface DownloadProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** A file that is not available, breaks off, or is not the one that was asked for. */
export class DownloadError extends Error {
  override readonly name = "DownloadError";
}

/** Attempts in a row that received nothing, after which a download is given up. */
const maxVainAttempts = 2;

/**
 * Downloads a file, going on where an earlier download broke off, and verifies its length and SHA-256.
 *
 * @throws DownloadError, after which the part that was received is kept if it may be right; the signal's reason
 */
export async function download(pinned: PinnedFile, options: DownloadOptions): Promise<void> {
  const { file, signal } = options;
  const part = `${file}.part`;
  mkdirSync(dirname(file), { recursive: true });
  for (let vain = 0; byteLengthOf(part) < pinned.byteLength; ) {
    const before = byteLengthOf(part);
    try {
      await receive(pinned, part, options);
    } catch (thrown) {
      signal?.throwIfAborted();
      if (thrown instanceof DownloadError) throw thrown;
      vain = byteLengthOf(part) > before ? 0 : vain + 1;
      if (vain < maxVainAttempts) continue;
      throw new DownloadError(`${pinned.url} cannot be downloaded: ${reasonOf(thrown)}`, {
        cause: thrown,
      });
    }
  }
  try {
    await assertPinned(pinned, part);
  } catch (thrown) {
    rmSync(part);
    throw thrown;
  }
  renameSync(part, file);
}

/** Receives what is missing of a file. */
async function receive(
  { url, byteLength }: PinnedFile,
  part: string,
  { fetch: get = fetch, signal, onProgress = () => {} }: DownloadOptions,
): Promise<void> {
  const start = byteLengthOf(part);
  const headers = start > 0 ? { range: `bytes=${start}-` } : {};
  const response = await get(url, { headers, ...(signal && { signal }) });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new DownloadError(`${url} cannot be downloaded: HTTP ${response.status}`);
  }
  const isRest = response.status === 206;
  const rangeStart = Number(/^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1]);
  if (isRest && rangeStart !== start) {
    await response.body.cancel();
    throw new DownloadError(`${url} cannot be downloaded: another range than bytes ${start}-`);
  }
  let doneBytes = isRest ? start : 0;
  // Chunk by chunk: a stream of the file system would lose what it holds when the download breaks off.
  await using file = await open(part, isRest ? "a" : "w");
  for await (const chunk of response.body) {
    doneBytes += chunk.length;
    if (doneBytes > byteLength) {
      throw new DownloadError(`${url} is longer than its ${byteLength} bytes`);
    }
    await file.writeFile(chunk);
    onProgress({ doneBytes, totalBytes: byteLength });
  }
}

/** @throws DownloadError if a file is another one */
export async function assertPinned({ url, sha256 }: PinnedFile, file: string): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  const found = hash.digest("hex");
  if (found === sha256) return;
  throw new DownloadError(`${file} is not ${url}: its SHA-256 is ${found}; expected ${sha256}`);
}

function byteLengthOf(file: string): number {
  return existsSync(file) ? statSync(file).size : 0;
}

function reasonOf(thrown: unknown): string {
  const { message, cause } = thrown instanceof Error ? thrown : new Error(String(thrown));
  return cause instanceof Error ? cause.message : message;
}
