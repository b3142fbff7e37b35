import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Conversion, type ConvertOptions, convertSavedModel } from "@tensorgate/savedmodel";
import { type Manifest, ModelFolderError } from "../manifest.ts";
import { assertManifestFits } from "../manifest-from-model.ts";
import { prepareSignature } from "../prepared-signature.ts";
import { openOnnxSession } from "../session/onnx-session.ts";
import { warmUpOnce } from "../warm-up.ts";
import {
  comparedPreprocessing,
  drawComparedPictures,
  type PreprocessingCheck,
} from "./compared-preprocessing.ts";
import { manifestFromConversion } from "./converted-manifest.ts";

export interface ModelToConvert extends Omit<ConvertOptions, "pictures"> {
  /** The folder of a SavedModel, or a frozen graph. */
  readonly from: string;
  /** Folder that gets `model.onnx` and `manifest.json`. It must not exist yet, and appears whole. */
  readonly to: string;
}

/** What was made of a model. */
export interface ConvertedModel extends Omit<Conversion, "onnx" | "prepared"> {
  readonly manifest: Manifest;
  /** Where the graph prepared pictures itself. */
  readonly preprocessingCheck: PreprocessingCheck | undefined;
}

/**
 * Converts a SavedModel or a frozen graph to a folder that can be served. It is done when ONNX Runtime has opened the
 * result, found the tensors that it should have, and run it once. A preparation of pictures that was found in the graph
 * is compared with it on drawn pictures.
 *
 * @throws SavedModelError if the model cannot be converted; ModelFolderError if ONNX Runtime does not take the result,
 *   or the folder cannot be written; the reason of `signal` if it is aborted
 */
export async function convertModel({
  from,
  to,
  ...options
}: ModelToConvert): Promise<ConvertedModel> {
  const pictures = drawComparedPictures();
  const found = await convertSavedModel(from, { ...options, pictures });
  const preprocessingCheck = comparedPreprocessing(found, pictures);
  const manifest = manifestFromConversion(found);
  const { onnx, prepared: _, ...conversion } = found;
  const unfinished = `${to}.${randomUUID()}`;
  try {
    mkdirSync(unfinished, { recursive: true });
    const modelFile = join(unfinished, "model.onnx");
    writeFileSync(modelFile, onnx);
    writeFileSync(join(unfinished, "manifest.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
    await assertRuns(modelFile, manifest);
    options.signal?.throwIfAborted();
    moveIntoPlace(unfinished, to);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return { ...conversion, manifest, preprocessingCheck };
}

/** @throws ModelFolderError unless ONNX Runtime opens the model and runs each of its signatures */
async function assertRuns(modelFile: string, manifest: Manifest): Promise<void> {
  try {
    const session = await openOnnxSession({ modelFile, threads: 1 }, () => {});
    try {
      assertManifestFits(manifest, session.signature);
      for (const [name, signature] of Object.entries(manifest.signatures)) {
        await warmUpOnce(prepareSignature(name, signature), session);
      }
    } finally {
      await session.close();
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ModelFolderError(`ONNX Runtime does not take the converted model: ${reason}`, {
      cause,
    });
  }
}

/** Another process may have converted the same model meanwhile. */
function moveIntoPlace(unfinished: string, to: string): void {
  try {
    mkdirSync(dirname(to), { recursive: true });
    renameSync(unfinished, to);
  } catch (cause) {
    if (existsSync(join(to, "model.onnx"))) return;
    throw new ModelFolderError(`cannot write ${to}: ${(cause as Error).message}`, { cause });
  }
}
