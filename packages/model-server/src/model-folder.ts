import type { Manifest } from "./manifest.ts";

/** The file by which a folder of TensorFlow is known. */
export const savedModelName = "saved_model.pb";

/**
 * One version of a model on disk: `BASE/<version>/model.onnx`, or `saved_model.pb` with the files of a SavedModel, with an
 * optional `manifest.json`.
 */
export interface ModelFolder {
  readonly name: string;
  readonly version: bigint;
  /** `model.onnx`, or `saved_model.pb` if there is no other form. */
  readonly modelFile: string;
  /** Absent where there is none: the model's own inputs and outputs are its signature then. */
  readonly manifest: Manifest | undefined;
}

/** A version that was found. Its manifest is read when the model is loaded, so that a bad one affects only this model. */
export interface FoundModel extends Omit<ModelFolder, "manifest"> {
  /** @throws ModelFolderError if the manifest cannot be used */
  readManifest(): Manifest | undefined;
}

export function modelFolderFrom({
  name,
  version,
  modelFile,
  readManifest,
}: FoundModel): ModelFolder {
  return { name, version, modelFile, manifest: readManifest() };
}
