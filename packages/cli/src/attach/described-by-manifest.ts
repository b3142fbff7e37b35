import { defaultSignatureName } from "@tensorgate/core";
import {
  type BackendCapabilities,
  modelOptionsFromManifest,
  parseModelManifest,
} from "@tensorgate/gateway";
import type { GivenDescription } from "./described-backend.ts";
import type { DescribedBackend } from "./described-detector.ts";

/**
 * Describes a backend by the manifest that our model server tells: preprocessing, labels and outputs travel with the
 * version, so that nothing has to be guessed.
 *
 * @returns undefined if there is no manifest, it says nothing of pictures, or the user says what the model is
 */
export function describedByManifest(
  { model: name, manifest: text, signatureName = defaultSignatureName }: BackendCapabilities,
  { family, detector }: GivenDescription,
): DescribedBackend | undefined {
  if (text === undefined || family || detector || signatureName !== defaultSignatureName) {
    return undefined;
  }
  try {
    const model = modelOptionsFromManifest(name, parseModelManifest(text));
    return model.family || model.input ? { model, doubts: [] } : undefined;
  } catch (thrown) {
    // A later version of the server may say more than this one reads.
    if (thrown instanceof RangeError) return undefined;
    throw thrown;
  }
}
