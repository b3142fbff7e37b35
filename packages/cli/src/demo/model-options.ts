import type { Preprocessing } from "@tensorgate/core";
import type { ModelOptions, ResizeOptions } from "@tensorgate/gateway";
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
      input: { tensor: picture[0], ...input, ...resizeOptions(picture[1].picture?.preprocessing) },
    }),
    output: Object.fromEntries(outputs),
  };
}

/** How the model server resizes pictures: a gateway takes boxes back to the picture by it. */
function resizeOptions(preprocessing: Preprocessing | undefined): ResizeOptions {
  const { resize } = preprocessing ?? {};
  switch (resize?.kind) {
    case undefined:
      return {};
    case "warp":
      return { heightPx: resize.heightPx, widthPx: resize.widthPx };
    case "shorter-side":
      return { ...resize.crop, shorterSidePx: resize.px };
    case "letterbox": {
      const { kind, ...rest } = resize;
      return { resize: kind, ...rest };
    }
    case "fit": {
      const { kind, shorterPx, longerPx } = resize;
      const shorterSidePx = shorterPx === undefined ? {} : { shorterSidePx: shorterPx };
      return { resize: kind, longerSidePx: longerPx, ...shorterSidePx };
    }
  }
}
