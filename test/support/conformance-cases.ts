import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the cases: what TensorFlow Serving's own code answered. Another one of the same form may be named. */
const folder =
  process.env["TENSORGATE_CONFORMANCE"] ??
  fileURLToPath(new URL("../../../shared/conformance/tf-serving", import.meta.url));

export const hasCases: boolean = existsSync(folder);

/** The cases of a file, one a line; none where it is not there. */
export function casesOf<Case>(file: string): readonly Case[] {
  const path = join(folder, file);
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}
