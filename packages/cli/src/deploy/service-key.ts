import { createHash, randomBytes } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { CommandError } from "../command-error.ts";

/** A caller's key: the digest goes into the configuration, the key itself to the user only. */
export interface CallerKey {
  readonly key: string;
  readonly entry: {
    readonly id: string;
    readonly sha256: string;
    readonly models: readonly string[];
  };
}

/** Generates a key. It is shown once: the configuration has only its digest. */
export function createKey(id: string, models: readonly string[]): CallerKey {
  return keyEntry(`tg_${id}_${randomBytes(32).toString("base64url")}`, { id, models });
}

/** Returns a key with its entry for the configuration. */
export function keyEntry(
  key: string,
  { id, models }: { readonly id: string; readonly models: readonly string[] },
): CallerKey {
  const sha256 = createHash("sha256").update(key).digest("hex");
  return { key, entry: { id, sha256, models } };
}

/** Writes a key into a new file that only its owner reads. @returns its absolute path @throws CommandError */
export async function writeKey(file: string, key: string): Promise<string> {
  const path = resolve(file);
  try {
    await using output = await open(path, "wx", 0o600);
    await output.writeFile(`${key}\n`);
    return path;
  } catch (thrown) {
    throw new CommandError(`cannot write ${path}: ${(thrown as Error).message}`);
  }
}

/** Reads a key that was written before; undefined if there is none. */
export async function readKey(file: string): Promise<string | undefined> {
  const text = await readFile(resolve(file), "utf8").catch(() => undefined);
  return text?.trim() || undefined;
}
