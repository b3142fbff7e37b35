import type { Manifest } from "./manifest.ts";

/** One version of a model on disk: `BASE/<version>/model.onnx` with an optional `manifest.json`. */
export interface ModelFolder {
  readonly name: string;
  readonly version: bigint;
  readonly modelFile: string;
  /** Absent where there is none: the model's own inputs and outputs are its signature then. */
  readonly manifest: Manifest | undefined;
}
