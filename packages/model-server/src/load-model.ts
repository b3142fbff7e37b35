import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { PreprocessInWorker } from "@tensorgate/imaging";
import { convertedFolder } from "./conversion/converted-folder.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { assertManifestFits, manifestFromModel, unansweredOutputs } from "./manifest-from-model.ts";
import { type ModelFolder, savedModelName } from "./model-folder.ts";
import { createServable, type Servable } from "./servable.ts";
import { createIdleSession, noPreprocessing } from "./session/idle-session.ts";
import { openRestartingSession } from "./session/restarting-session.ts";
import { defaultCacheFolder } from "./topologies/seeded-family.ts";

export interface LoadModelOptions {
  readonly threads: number;
  readonly engine: "onnx" | "none";
  /** Where SavedModels are converted to. */
  readonly cacheFolder?: string;
}

export interface LoadModelDeps {
  readonly preprocess: PreprocessInWorker;
  readonly onWarning: (warning: string) => void;
}

/**
 * Loads a model. A SavedModel is converted first.
 *
 * @throws ModelFolderError if its manifest does not fit or it cannot be converted, Error if the engine cannot open it
 */
export async function loadModel(
  folder: ModelFolder,
  options: LoadModelOptions,
  { preprocess, onWarning }: LoadModelDeps,
): Promise<Servable> {
  const { threads, engine } = options;
  const { name, version } = folder;
  const isSaved = basename(folder.modelFile) === savedModelName;
  const onConversionWarning = (text: string) => onWarning(`model ${name}: ${text}`);
  const { modelFile, manifest: given } = isSaved
    ? await convertedForm(folder, options.cacheFolder, onConversionWarning)
    : folder;
  if (engine === "none" && given) {
    return withoutEngine({ name, version, manifest: given });
  }
  const session = await openRestartingSession({ modelFile, threads });
  let manifest: Manifest;
  try {
    manifest = given ?? manifestFromModel(session.signature);
    if (given) assertManifestFits(given, session.signature);
    else
      for (const text of unansweredOutputs(session.signature)) onWarning(`model ${name}: ${text}`);
  } catch (thrown) {
    await session.close();
    throw thrown;
  }
  if (engine === "onnx") return createServable({ name, version, manifest, session, preprocess });
  await session.close();
  return withoutEngine({ name, version, manifest });
}

/** The ONNX form of a SavedModel. A manifest beside the SavedModel takes the place of what is known of its signature. */
async function convertedForm(
  { modelFile, manifest }: ModelFolder,
  cacheFolder: string = defaultCacheFolder(),
  onWarning: (warning: string) => void,
): Promise<Pick<ModelFolder, "modelFile" | "manifest">> {
  const folder = await convertedFolder(modelFile, { cacheFolder, onWarning });
  const file = join(folder, "manifest.json");
  return {
    modelFile: join(folder, "model.onnx"),
    manifest: manifest ?? parseManifest(readFileSync(file, "utf8"), file),
  };
}

function withoutEngine({
  name,
  version,
  manifest,
}: Pick<Parameters<typeof createServable>[0], "name" | "version" | "manifest">): Servable {
  return createServable({
    name,
    version,
    preprocess: noPreprocessing,
    session: createIdleSession(manifest),
    // The weights are not used: answers mean nothing, and are marked as such.
    manifest: { ...manifest, weights: "seeded" },
  });
}
