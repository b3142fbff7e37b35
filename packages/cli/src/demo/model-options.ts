import type { Preprocessing } from "@tensorgate/core";
import type { ModelOptions } from "@tensorgate/gateway";
import type { ModelFolder } from "@tensorgate/model-server";

/** What the embedded server decodes, which is more than a graph of TensorFlow's does. */
const decodedFormats = ["jpeg", "png", "gif", "webp", "avif"] as const;

/** What a gateway must be told of a model, out of what the model's folder says. */
export function modelOptionsFromFolder({ name, manifest }: ModelFolder): ModelOptions {
  const signature = manifest?.signatures["serving_default"];
  if (!manifest || !signature) return { name };
  const input = { kind: "encoded-image" as const, formats: decodedFormats };
  if (manifest.family) {
    return { name, family: manifest.family, weights: manifest.weights, input };
  }
  const picture = Object.entries(signature.inputs).find(([, input]) => input.picture);
  const outputs = Object.entries(signature.outputs).map(([output, { holds }]) => [
    output,
    { holds },
  ]);
  return {
    name,
    weights: manifest.weights,
    ...(manifest.labels.length > 0 && { labels: manifest.labels }),
    ...(picture && {
      input: { tensor: picture[0], ...input, ...sizeOf(picture[1].picture?.preprocessing) },
    }),
    output: Object.fromEntries(outputs),
  };
}

/** What a model brings pictures to, in pixels. */
function sizeOf(preprocessing: Preprocessing | undefined) {
  if (!preprocessing) return {};
  const { resize } = preprocessing;
  if (resize.kind === "shorter-side") return { heightPx: resize.px, widthPx: resize.px };
  return { heightPx: resize.heightPx, widthPx: resize.widthPx };
}
