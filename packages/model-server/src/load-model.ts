import type { PreprocessInWorker } from "@tensorgate/imaging";
import type { Manifest } from "./manifest.ts";
import { assertManifestFits, manifestFromModel, unansweredOutputs } from "./manifest-from-model.ts";
import type { ModelFolder } from "./model-folder.ts";
import { type Servable, servable } from "./servable.ts";
import { idleSession, noPreprocessing } from "./session/idle-session.ts";
import { reopeningSession } from "./session/reopening-session.ts";

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
  const session = await reopeningSession({ modelFile, threads });
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
  if (engine === "onnx") return servable({ name, version, manifest, session, preprocess });
  await session.close();
  return withoutEngine({ name, version, manifest });
}

function withoutEngine({
  name,
  version,
  manifest,
}: Pick<Parameters<typeof servable>[0], "name" | "version" | "manifest">): Servable {
  return servable({
    name,
    version,
    preprocess: noPreprocessing,
    session: idleSession(manifest),
    // Whatever the weights are, they are not asked: the answers mean nothing, and say so.
    manifest: { ...manifest, weights: "seeded" },
  });
}
