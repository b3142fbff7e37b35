import { defaultSignatureName, type Preprocessing } from "@tensorgate/core";
import type { ModelOptions, ResizeOptions } from "@tensorgate/gateway";
import type { ModelFolder } from "@tensorgate/model-server";

/** Formats that the embedded server decodes; TensorFlow graphs decode fewer. */
const decodedFormats = ["jpeg", "png", "gif", "webp", "avif"] as const;

/** Returns the options of a model by the manifest in its folder. */
export function modelOptionsFromFolder({
  name,
  manifest,
}: Pick<ModelFolder, "name" | "manifest">): ModelOptions {
  const signature = manifest?.signatures[defaultSignatureName];
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
    ...(manifest.detector && { detector: manifest.detector }),
    ...(manifest.classCount !== undefined && { classCount: manifest.classCount }),
    ...(picture && {
      input: { tensor: picture[0], ...input, ...resizeOptions(picture[1].picture?.preprocessing) },
    }),
    output: Object.fromEntries(outputs),
  };
}

/** Returns how the model server resizes pictures, which the gateway needs to convert boxes. */
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
