import type { Clock, ModelSpec, PictureResponse, RunSmokeTest } from "@tensorgate/core";
import { createClassifier } from "./classify.ts";
import { createDetector } from "./detect.ts";
import { createEmbedder } from "./embed.ts";
import type { Release } from "./release.ts";
import type { PictureTaskDeps } from "./score-pictures.ts";

export interface SmokeTestDeps extends Omit<PictureTaskDeps, "score"> {
  /** @throws UnknownModelError with the nearest names */
  readonly resolve: (modelSpec: ModelSpec) => Release;
}

/** Creates a smoke test: it scores one picture by the first task of the model. */
export function createSmokeTest(deps: SmokeTestDeps, clock: Clock): RunSmokeTest {
  return async ({ model, version, picture, score }, call) => {
    const release = deps.resolve({ name: model, ...(version !== undefined && { version }) });
    if (!release.picture) return { kind: "not-asked" };
    const task = { ...deps, score };
    const request = { modelSpec: { name: model }, pictures: [{ bytes: picture }] };
    switch (release.tasks[0]) {
      case "classify": {
        const [best] = onlyValue(
          await createClassifier(release, task, clock)({ ...request, topK: 1 }, call),
        );
        return best ? { kind: "label", label: best.label } : { kind: "scored" };
      }
      case "detect": {
        const [best] = onlyValue(await createDetector(release, task, clock)(request, call)).boxes;
        return best ? { kind: "label", label: best.label } : { kind: "scored" };
      }
      case "embed":
        onlyValue(await createEmbedder(release, task)(request, call));
        return { kind: "scored" };
      default:
        return { kind: "not-asked" };
    }
  };
}

/** Returns the value of the only picture. @throws its error */
function onlyValue<Value>({ results }: PictureResponse<Value>): Value {
  const [result] = results;
  if (!result) throw new RangeError("a call of one picture has no result");
  if (!result.ok) throw result.error;
  return result.value;
}
