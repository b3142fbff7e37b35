import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Row } from "../statistics.ts";

/** What one run of a group showed, and where. */
export interface Results {
  readonly group: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, number>>;
  /** Load average before and after; one subject and its load make about 2. */
  readonly loadAverage: readonly [before: number, after: number];
  /** Subjects that the machine could not run, with the reason. */
  readonly skipped: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

const folder = fileURLToPath(new URL("../results", import.meta.url));

/** @param name - of the file after its date, such as `image` or `image-quick` */
export function saveResults(results: Results, name: string): void {
  mkdirSync(folder, { recursive: true });
  const date = String(results.machine["date"]).slice(0, 10);
  writeFileSync(join(folder, `${date}-${name}.json`), `${JSON.stringify(results, undefined, 2)}\n`);
}

/** @returns the newest results of a whole group that are saved, if there are any */
export function newestResults(group: string): Results | undefined {
  const file = globSync(`????-??-??-${group}.json`, { cwd: folder }).sort().at(-1);
  return file === undefined
    ? undefined
    : (JSON.parse(readFileSync(join(folder, file), "utf8")) as Results);
}
