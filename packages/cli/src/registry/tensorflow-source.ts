import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { SavedModelInfo } from "@tensorgate/savedmodel";

/**
 * Reads what a model of TensorFlow says of itself, so that one that cannot be read is not registered.
 *
 * @param from - a folder or a file
 * @returns undefined for another model
 * @throws SavedModelError if it cannot be read
 */
export async function inspectSource(from: string): Promise<SavedModelInfo | undefined> {
  if (!isOfTensorflow(from)) return undefined;
  const { inspectSavedModel } = await import("@tensorgate/savedmodel");
  return inspectSavedModel(from);
}

function isOfTensorflow(from: string): boolean {
  if (from.endsWith(".pb") || existsSync(join(from, "saved_model.pb"))) return true;
  const isFolder = statSync(from, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (!isFolder || existsSync(join(from, "model.onnx"))) return false;
  return readdirSync(from).some((name) => name.endsWith(".pb"));
}
