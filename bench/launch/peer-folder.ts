import { execFile } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MissingPeer } from "./peer.ts";

export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/** @returns where a peer is built: what was built is kept between runs */
export function peerFolder(name: string): string {
  return join(root, ".tensorgate", "bench", name);
}

/** Copies the sources of a peer to where it is built. */
export function copySources(name: string): void {
  mkdirSync(peerFolder(name), { recursive: true });
  cpSync(join(root, "bench", "subjects", name), peerFolder(name), { recursive: true });
}

/**
 * Runs one step of building a peer.
 *
 * @throws MissingPeer with the end of what the command said
 */
export async function runStep(
  folder: string,
  command: readonly [string, ...string[]],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const [program, ...args] = command;
  try {
    await promisify(execFile)(program, args, { cwd: folder, env: { ...process.env, ...env } });
  } catch (error) {
    const { stderr = "", message } = error as Error & { readonly stderr?: string };
    const said = stderr.trim().split("\n").at(-1) || message;
    throw new MissingPeer(`${program} ${args[0] ?? ""}: ${said}`);
  }
}
