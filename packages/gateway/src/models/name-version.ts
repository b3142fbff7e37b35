import type {
  CallContext,
  ModelSpec,
  ModelTasks,
  PictureRequest,
  Score,
  Tasks,
} from "@tensorgate/core";

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
    <Request extends PictureRequest, Answer>(
      taskOf: (model: ModelTasks) => (request: Request, call: CallContext) => Promise<Answer>,
    ) =>
    async (request: Request, call: CallContext) => {
      const modelSpec = named(request.modelSpec);
      return taskOf(tasks.resolve(modelSpec, call))({ ...request, modelSpec }, call);
    };

  const ofTensors =
    (taskOf: (model: ModelTasks) => Score): Score =>
    async (request, call) => {
      const { encoded, ...rest } = request;
      // The message of the caller names no version; a replica gets the tensors instead, where they can be read.
      const isReadable = encoded === undefined || encoded.method === "Predict";
      const modelSpec = isReadable ? named(request.modelSpec) : request.modelSpec;
      const score = taskOf(tasks.resolve(modelSpec, call));
      return modelSpec === request.modelSpec
        ? score(request, call)
        : score({ ...rest, modelSpec }, call);
    };

  // The version is that of the replicas when the call is scored, not when its body begins to come.
  const withVersion: Pick<
    ModelTasks,
    "classify" | "detect" | "embed" | "score" | "scoreAsContainer"
  > = {
    classify: ofPictures(({ classify }) => classify),
    detect: ofPictures(({ detect }) => detect),
    embed: ofPictures(({ embed }) => embed),
    score: ofTensors(({ score }) => score),
    scoreAsContainer: ofTensors(({ scoreAsContainer }) => scoreAsContainer),
  };
  return {
    ...tasks,
    resolve: (modelSpec, call) => {
      const model = tasks.resolve(modelSpec, call);
      return hasDifferingVersions(modelSpec.name) ? { ...model, ...withVersion } : model;
    },
  };
}
