import type { CallContext, Clock, PictureResponse, ScoreResolved } from "@tensorgate/core";
import { createClassifier } from "./classify.ts";
import { createDetector } from "./detect.ts";
import { createEmbedder } from "./embed.ts";
import type { PictureTaskDeps } from "./score-pictures.ts";

export interface SmokeTestRequest {
  readonly model: string;
  /** Encoded. */
  readonly picture: Uint8Array;
  /** At one replica, whatever others there are. */
  readonly score: ScoreResolved;
}

/** What became of a picture of which is known what it shows. */
export type GoldenAnswer =
  /** The label that comes first. */
  | { readonly kind: "label"; readonly label: string }
  /** An answer without a label: features, or no box. */
  | { readonly kind: "scored" }
  /** The model takes no pictures. */
  | { readonly kind: "not-asked" };

/**
 * Scores one picture as a caller's would be, by the task that the model is for, with nothing kept and nothing shared.
 *
 * @throws ScoringError if that fails
 */
export function createGoldenAsker(deps: Omit<PictureTaskDeps, "score">, clock: Clock) {
  return async (
    { model, picture, score }: SmokeTestRequest,
    call: CallContext,
  ): Promise<GoldenAnswer> => {
    const release = deps.resolve({ name: model });
    if (!release.picture) return { kind: "not-asked" };
    const task = { ...deps, score, resolve: () => release };
    const request = { modelSpec: { name: model }, pictures: [{ bytes: picture }] };
    switch (release.tasks[0]) {
      case "classify": {
        const [best] = onlyValue(
          await createClassifier(task, clock)({ ...request, topK: 1 }, call),
        );
        return best ? { kind: "label", label: best.label } : { kind: "scored" };
      }
      case "detect": {
        const [best] = onlyValue(await createDetector(task, clock)(request, call)).boxes;
        return best ? { kind: "label", label: best.label } : { kind: "scored" };
      }
      case "embed":
        onlyValue(await createEmbedder(task)(request, call));
        return { kind: "scored" };
      default:
        return { kind: "not-asked" };
    }
  };
}

/** @throws the error of the only picture */
function onlyValue<Value>({ results }: PictureResponse<Value>): Value {
  const [result] = results;
  if (!result) throw new RangeError("a call of one picture has no result");
  if (!result.ok) throw result.error;
  return result.value;
}
