import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { ModelFolderError } from "../manifest.ts";
import { disableTelemetry } from "../session/disable-telemetry.ts";
import type { ConvertMessage, ConvertStart } from "./convert-worker.ts";

/** Counted up when the converter makes something else of the same model, so that old files are left as they are. */
const converterVersion = 1;

/** `tsc` does not rewrite the name of a worker's file, so it is chosen by what this file is. */
const workerFile = new URL(
  import.meta.url.endsWith(".ts") ? "./convert-worker.ts" : "./convert-worker.js",
  import.meta.url,
);

export interface ConvertedFolderOptions {
  readonly cacheFolder: string;
  readonly onWarning: (warning: string) => void;
}

/**
 * Returns the folder with the ONNX form of a SavedModel that is served as it is. The model is converted the first time, in
 * its own thread.
 *
 * @param graphFile - its `saved_model.pb`
 * @throws ModelFolderError if it cannot be converted
 */
export async function convertedFolder(
  graphFile: string,
  { cacheFolder, onWarning }: ConvertedFolderOptions,
): Promise<string> {
  const from = dirname(graphFile);
  const to = join(cacheFolder, "converted", `v${converterVersion}-${contentKey(from)}`);
  if (existsSync(join(to, "model.onnx"))) return to;
  const message = await converted({ from, to });
  if (message.kind === "failed") throw new ModelFolderError(message.message);
  for (const warning of message.warnings) onWarning(warning);
  return to;
}

/** Names the content of a SavedModel: the index of its variables has a checksum of each. */
function contentKey(folder: string): string {
  const hash = createHash("sha256");
  for (const name of ["saved_model.pb", join("variables", "variables.index")]) {
    const file = join(folder, name);
    const bytes = existsSync(file) ? readFileSync(file) : new Uint8Array();
    hash.update(`${name} ${bytes.byteLength}\n`).update(bytes);
  }
  return hash.digest("hex");
}

function converted(start: ConvertStart): Promise<ConvertMessage> {
  return new Promise((resolve, reject) => {
    disableTelemetry();
    const worker = new Worker(workerFile, { workerData: start });
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => {
      reject(
        new ModelFolderError(`the thread that converted ${start.from} ended with code ${code}`),
      );
    });
  });
}
