import type { GenerationProgress } from "@tensorgate/model-server";

/** Returns a log line for the generation of a model with seeded weights. */
export function progressLine(progress: GenerationProgress): string {
  return progress.state === "begun"
    ? `generating ${progress.family} with seeded weights in ${progress.folder}`
    : `generated ${progress.family}, ${Math.round(progress.byteCount / 1e6)} MB; its results are meaningless`;
}
