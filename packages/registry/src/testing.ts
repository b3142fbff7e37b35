import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileChanges, type FileChanges } from "./file-changes.ts";
import type { SourceFile } from "./version-files.ts";

/** A folder for a test, which is removed when it is disposed of. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "tensorgate-registry-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Files of a model, by their paths. */
export function filesFrom(contents: Readonly<Record<string, string>>): readonly SourceFile[] {
  return Object.entries(contents).map(([path, bytes]) => ({
    path,
    content: { kind: "bytes", bytes },
  }));
}

/** Changes that are not flushed to the disk, which takes most of the time. */
export const quickChanges: FileChanges = createFileChanges({ flushes: false });

/** Changes of a process that ends before its change with this number: that one and all later ones fail. */
export function changesUntil(count: number): FileChanges & { readonly isEnded: () => boolean } {
  let done = 0;
  const unlessEnded =
    <Args extends readonly unknown[]>(change: (...args: Args) => Promise<void>) =>
    async (...args: Args): Promise<void> => {
      if (done >= count) {
        done = Number.POSITIVE_INFINITY;
        throw new Error("the process ended here");
      }
      done += 1;
      await change(...args);
    };
  return {
    makeFolder: unlessEnded(quickChanges.makeFolder),
    write: unlessEnded(quickChanges.write),
    copy: unlessEnded(quickChanges.copy),
    rename: unlessEnded(quickChanges.rename),
    remove: unlessEnded(quickChanges.remove),
    isEnded: () => done === Number.POSITIVE_INFINITY,
  };
}
