import type { PreprocessInWorker } from "@tensorgate/imaging";
import type { Manifest } from "./manifest.ts";
import { assertManifestFits, manifestFromModel, unansweredOutputs } from "./manifest-from-model.ts";
import type { ModelFolder } from "./model-folder.ts";
import { createServable, type Servable } from "./servable.ts";
import { createIdleSession, noPreprocessing } from "./session/idle-session.ts";
import { openRestartingSession } from "./session/restarting-session.ts";

export interface LoadModelOptions {
  readonly threads: number;
  readonly engine: "onnx" | "none";
}

export interface LoadModelDeps {
  readonly preprocess: PreprocessInWorker;
  readonly onWarning: (warning: string) => void;
}

/** @throws ModelFolderError if its manifest does not fit, Error if the engine cannot open it */
export async function loadModel(
  { name, version, modelFile, manifest: given }: ModelFolder,
  { threads, engine }: LoadModelOptions,
  { preprocess, onWarning }: LoadModelDeps,
): Promise<Servable> {
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
