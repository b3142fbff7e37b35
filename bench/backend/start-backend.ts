import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type PinnedProcess, startPinned } from "../process.ts";
import { writeReplies } from "./canned-replies.ts";

export interface BackendOptions {
  readonly core: number;
  /** Loopback addresses on which it listens, from 127.0.0.1: each is a replica to a gateway. */
  readonly addressCount: number;
}

/**
 * Compiles and starts a replica that gives the same 1,000 scores to every request.
 *
 * @throws Error if there is no C compiler
 */
export async function startBackend({ core, addressCount }: BackendOptions): Promise<PinnedProcess> {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-backend-"));
  const program = join(folder, "canned-backend");
  const source = fileURLToPath(new URL("canned-backend.c", import.meta.url));
  execFileSync("cc", ["-O2", "-Wall", "-o", program, source], { stdio: "inherit" });
  const replies = { predict: join(folder, "predict.reply"), status: join(folder, "status.reply") };
  writeReplies(replies);
  const args = [replies.predict, replies.status, String(addressCount)];
  const backend = await startPinned([program, ...args], { core });
  // It has read its replies, and needs no file of the folder any more.
  rmSync(folder, { recursive: true });
  return backend;
}

/** @returns address of the replica with this index, from 0 */
export function replicaAddress(index: number, port: number): string {
  const host = index + 1;
  return `127.0.${host >> 8}.${host & 255}:${port}`;
}
