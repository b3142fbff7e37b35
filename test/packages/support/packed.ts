import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    /** Paths of the tarballs, one a package. */
    readonly tarballs: readonly string[];
  }
}

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Packs every package once for all test files. */
export default async function packAll(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-tarballs-"));
  const script = ["--conditions=@tensorgate/source", "scripts/pack.ts", folder];
  const { stdout } = await promisify(execFile)(process.execPath, script, { cwd: root });
  project.provide("tarballs", stdout.trim().split("\n"));
  return () => rmSync(folder, { recursive: true });
}
