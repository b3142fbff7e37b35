import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const shared = (name: string) =>
  fileURLToPath(new URL(`../../../shared/conformance/${name}`, import.meta.url));

/** Folder of the cases: what TensorFlow Serving's own code answered. Another one of the same form may be named. */
const folder = process.env["TENSORGATE_CONFORMANCE"] ?? shared("tf-serving");

/** The same of the Open Inference Protocol: what its servers answer, and what its clients can bear. */
const inferenceFolder = process.env["TENSORGATE_CONFORMANCE_OIP"] ?? shared("open-inference");

export const hasCases: boolean = existsSync(folder);
export const hasInferenceCases: boolean = existsSync(inferenceFolder);

/** The cases of a file, one a line; none where it is not there. */
export function casesOf<Case>(file: string): readonly Case[] {
  return casesIn(join(folder, file));
}

/** The same of the Open Inference Protocol. */
export function inferenceCasesOf<Case>(file: string): readonly Case[] {
  return casesIn(join(inferenceFolder, file));
}

function casesIn<Case>(path: string): readonly Case[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}
