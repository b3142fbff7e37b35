import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Signature, scoredSignatureNames } from "@tensorgate/core";
import { conversionLimitDefaults } from "./limits.ts";
import { readModel } from "./read/read-model.ts";

/** What a SavedModel or a frozen graph says of itself. */
export interface SavedModelInfo {
  readonly kind: "saved-model" | "frozen-graph";
  /** Such as `2.14.0`; empty if it is not known, as for frozen graphs. */
  readonly tensorflowVersion: string;
  readonly tags: readonly string[];
  /** By name, without the one that initializes the model; `graphName` of a tensor is its name in the graph. None for frozen graphs. */
  readonly signatures: ReadonlyMap<string, Signature>;
  /** Of all files of the SavedModel, or of the frozen graph. */
  readonly byteCount: number;
}

/**
 * Reads what a model says of itself: no weights.
 *
 * @param path - the folder of a SavedModel (with `saved_model.pb`), or a frozen graph (`.pb`) or its folder
 * @throws SavedModelError if there is none, it is damaged, or it exceeds the default limits
 */
export async function inspectSavedModel(path: string): Promise<SavedModelInfo> {
  const { kind, file, tensorflowVersion, tags, ...model } = readModel(
    path,
    conversionLimitDefaults,
  );
  const scored = new Set(scoredSignatureNames(model.signatures));
  const signatures = new Map([...model.signatures].filter(([name]) => scored.has(name)));
  const byteCount = kind === "saved-model" ? folderBytes(dirname(file)) : statSync(file).size;
  return { kind, tensorflowVersion, tags, signatures, byteCount };
}

function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}
