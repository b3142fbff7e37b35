import type { PreprocessInWorker } from "@tensorgate/imaging";
import { manifestFromModel } from "./manifest-from-model.ts";
import type { ModelFolder } from "./model-folder.ts";
import { type Servable, servable } from "./servable.ts";
import { idleSession, noPreprocessing } from "./session/idle-session.ts";
import { reopeningSession } from "./session/reopening-session.ts";

export interface LoadParts {
  readonly threads: number;
  readonly preprocess: PreprocessInWorker;
  readonly engine: "onnx" | "none";
}

/** @throws the engine's error if it cannot load the model */
export async function loadModel(
  { name, version, modelFile, manifest: given }: ModelFolder,
  { threads, preprocess, engine }: LoadParts,
): Promise<Servable> {
  if (engine === "none" && given) {
    return withoutEngine({ name, version, manifest: given });
  }
  const session = await reopeningSession({ modelFile, threads });
  const manifest = given ?? manifestFromModel(session.signature);
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
