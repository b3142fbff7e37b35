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
      input: { tensor: picture[0], ...input },
    }),
    output: Object.fromEntries(outputs),
  };
}
