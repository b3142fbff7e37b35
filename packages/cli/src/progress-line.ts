import type { GenerationProgress } from "@tensorgate/model-server";

/** What to say while a model with seeded weights is made. */
export function progressLine(progress: GenerationProgress): string {
  return progress.state === "begun"
    ? `generating ${progress.family} with seeded weights in ${progress.folder}`
    : `generated ${progress.family}, ${Math.round(progress.byteCount / 1e6)} MB; its results are meaningless`;
}
