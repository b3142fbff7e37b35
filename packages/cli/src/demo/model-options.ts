import { type ModelOptions, modelOptionsFromManifest } from "@tensorgate/gateway";
import type { ModelFolder } from "@tensorgate/model-server";

/** Returns the options of a model by the manifest in its folder. */
export function modelOptionsFromFolder({
  name,
  manifest,
}: Pick<ModelFolder, "name" | "manifest">): ModelOptions {
  return modelOptionsFromManifest(name, manifest);
}
