import type { ModelSpec, PictureRequest, Score, Tasks } from "@tensorgate/core";

export interface NameVersionDeps {
  /** Whether versions of a model differ in what its answers mean. */
  readonly hasDifferingVersions: (model: string) => boolean;
  /** Versions that replicas of a model have, highest first. */
  readonly versionsOf: (model: string) => readonly bigint[];
}

/**
 * Makes calls name a version if versions of their model differ in what answers mean: the highest one that replicas have.
 * Its answer is then read by the labels and outputs of just that version, also in the middle of a change.
 */
export function tasksWithVersions(tasks: Tasks, deps: NameVersionDeps): Tasks {
  const { hasDifferingVersions, versionsOf } = deps;

  function named(modelSpec: ModelSpec): ModelSpec {
    const { name, version, versionLabel } = modelSpec;
    if (version !== undefined || versionLabel !== undefined || !hasDifferingVersions(name)) {
      return modelSpec;
    }
    const [latest] = versionsOf(name);
    return latest === undefined ? modelSpec : { ...modelSpec, version: latest };
  }

  const ofPictures =
    <Request extends PictureRequest, Answer, Call>(
      task: (request: Request, call: Call) => Promise<Answer>,
    ) =>
    (request: Request, call: Call) =>
      task({ ...request, modelSpec: named(request.modelSpec) }, call);

  const ofTensors =
    (score: Score): Score =>
    (request, call) => {
      const modelSpec = named(request.modelSpec);
      if (modelSpec === request.modelSpec) return score(request, call);
      // The message of the caller names no version; a replica gets the tensors instead, where they can be read.
      const { encoded, ...rest } = request;
      const isReadable = encoded === undefined || encoded.method === "Predict";
      return isReadable ? score({ ...rest, modelSpec }, call) : score(request, call);
    };

  return {
    ...tasks,
    classify: ofPictures(tasks.classify),
    detect: ofPictures(tasks.detect),
    embed: ofPictures(tasks.embed),
    score: ofTensors(tasks.score),
    scoreAsContainer: ofTensors(tasks.scoreAsContainer),
  };
}
