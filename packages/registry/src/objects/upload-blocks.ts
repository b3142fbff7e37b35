import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { RegistryError } from "../registry-error.ts";

/** An object that is written in blocks, which stay for some days if nothing commits them. */
export interface BlockTarget {
  /** Returns the blocks that were staged before and not committed, with their sizes in bytes. */
  staged(): Promise<ReadonlyMap<string, number>>;
  /** Stages one block. The storage verifies the MD5 of what arrives. */
  stage(id: string, bytes: Uint8Array, md5: Uint8Array): Promise<void>;
  /** Makes these blocks the object, in this order. */
  commit(ids: readonly string[]): Promise<void>;
}

export interface BlockUpload {
  readonly file: string;
  /** Of the file, in hexadecimal. */
  readonly sha256: string;
  readonly byteCount: number;
  /** Called as bytes have arrived, or were there before. */
  readonly onBytes?: (count: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Size of a block, in bytes: what an interruption may cost, and what each upload holds in memory. */
const minBlockBytes = 8 << 20;
/** Azure's limit. */
const maxBlocks = 50_000;
/** Blocks on their way at the same time. */
const concurrency = 4;

/** Size of the blocks of a file, in bytes. Depends on nothing else, so that another attempt makes the same blocks. */
export function blockBytesFor(byteCount: number): number {
  const wholeMb = Math.ceil(byteCount / maxBlocks / (1 << 20)) * (1 << 20);
  return Math.max(minBlockBytes, wholeMb);
}

/**
 * Uploads a file in blocks. A block is named by its place and its SHA-256, so that those of an attempt that broke off are
 * found again, and those of another file are not taken for them.
 *
 * @returns the bytes that were there before
 * @throws RegistryError `file` if the file is not what its digest says: nothing is committed then
 * @throws the reason of the signal if it aborts
 */
export async function uploadBlocks(target: BlockTarget, upload: BlockUpload): Promise<number> {
  const { file, sha256, byteCount, onBytes = () => {}, signal } = upload;
  const blockBytes = blockBytesFor(byteCount);
  const before = await target.staged();
  const whole = createHash("sha256");
  const ids: string[] = [];
  const sending = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let presentBytes = 0;

  function send(id: string, bytes: Uint8Array): void {
    const md5 = createHash("md5").update(bytes).digest();
    const sent: Promise<void> = target
      .stage(id, bytes, md5)
      .then(
        () => onBytes(bytes.length),
        (thrown: unknown) => void failures.push(thrown),
      )
      .finally(() => sending.delete(sent));
    sending.add(sent);
  }

  await using handle = await open(file);
  for (let start = 0; start < byteCount && failures.length === 0; start += blockBytes) {
    if (signal?.aborted) break;
    const bytes = await read(handle, start, Math.min(blockBytes, byteCount - start));
    whole.update(bytes);
    const id = blockId(ids.length, bytes);
    ids.push(id);
    if (before.get(id) === bytes.length) {
      presentBytes += bytes.length;
      onBytes(bytes.length);
      continue;
    }
    send(id, bytes);
    if (sending.size >= concurrency) await Promise.race(sending);
  }
  await Promise.all(sending);
  signal?.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  const actual = whole.digest("hex");
  if (actual !== sha256) {
    throw new RegistryError("file", `${file} has SHA-256 ${actual}, not ${sha256} as registered`);
  }
  await target.commit(ids);
  return presentBytes;
}

/** All identifiers of an object must have the same length. */
function blockId(index: number, bytes: Uint8Array): string {
  const place = Buffer.alloc(4);
  place.writeUInt32BE(index);
  const digest = createHash("sha256").update(bytes).digest();
  return Buffer.concat([place, digest]).toString("base64");
}

async function read(handle: FileHandle, start: number, byteCount: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(byteCount);
  let length = 0;
  while (length < byteCount) {
    const { bytesRead } = await handle.read(bytes, length, byteCount - length, start + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}
