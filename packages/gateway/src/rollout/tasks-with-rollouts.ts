import {
  type CallContext,
  type Clock,
  type Detections,
  type LabelScore,
  type ModelSpec,
  type ModelTasks,
  type PictureRequest,
  type PictureResponse,
  type PictureResult,
  type Score,
  type ScoreResponse,
  ScoringError,
  type Tasks,
} from "@tensorgate/core";
import { type ChooseSpecDeps, createChooseSpec } from "./choose-spec.ts";
import { comparedBoxes, comparedLabels } from "./machine/compare-answers.ts";
import type { ComparisonCounts } from "./machine/state.ts";
import type { Shadow, ShadowedPair } from "./shadow.ts";

export interface RolloutTasksDeps extends ChooseSpecDeps {
  readonly shadowOf: (model: string) => Shadow | undefined;
  readonly onCall: (model: string, version: string, hasFailed: boolean) => void;
  /** Called when a call is given a version. @returns what to call when it has ended */
  readonly onOpen: (model: string, version: string) => () => void;
  readonly clock: Clock;
}

type PictureTask<Value, Request extends PictureRequest> = (
  request: Request,
  call: CallContext,
) => Promise<PictureResponse<Value>>;

/** Chooses the version of calls that name none, counts how they end, and hands answers to a shadow. */
export function tasksWithRollouts(tasks: Tasks, deps: RolloutTasksDeps): Tasks {
  const { stateOf, shadowOf, onCall, onOpen, clock } = deps;
  const { chosen, labelled, isHeld } = createChooseSpec(deps);

  function withPictures<Value, Request extends PictureRequest>(
    taskOf: (model: ModelTasks) => PictureTask<Value, Request>,
    compare?: (a: Value, b: Value) => ComparisonCounts,
    textOf: (value: Value) => string = () => "",
  ): PictureTask<Value, Request> {
    const task: PictureTask<Value, Request> = async (request, call) =>
      taskOf(tasks.resolve(request.modelSpec, call))(request, call);
    return async (request, call) => {
      const { name } = request.modelSpec;
      const shadow = shadowOf(name);
      if (!shadow && !stateOf(name)) return task(request, call);
      const { revision = 0 } = stateOf(name) ?? {};
      const modelSpec = chosen(request.modelSpec, call);
      using _open = opened(request.modelSpec, modelSpec);
      const startedMs = clock.nowMs();
      const answer = await counted(modelSpec, () => task({ ...request, modelSpec }, call));
      const { model } = answer;
      const response = model ? { ...answer, model: { ...model, revision } } : answer;
      const version = String(response.model?.version ?? "");
      // A call that names a version asks for just that one.
      const isOpen = request.modelSpec.version === undefined;
      if (shadow && compare && isOpen && version !== "") {
        const other = otherVersion(name, version, shadow);
        if (other !== undefined && isHeld(name, other)) {
          const spec = { name, version: BigInt(other) };
          shadow.offer({
            call,
            answerMs: clock.nowMs() - startedMs,
            pictures: request.pictures,
            score: (shadowCall) => task({ ...request, modelSpec: spec }, shadowCall),
            compare: (compared) =>
              comparedResponses(response, compared as PictureResponse<Value>, { compare, textOf }),
          });
        }
      }
      return response;
    };
  }

  /** Notes the call as long as it lasts, if it was given a version that it did not name. */
  function opened(asked: ModelSpec, { name, version }: ModelSpec): Disposable {
    const isGiven = asked.version === undefined && version !== undefined;
    return { [Symbol.dispose]: isGiven ? onOpen(name, String(version)) : () => {} };
  }

  /** The version to compare with: that of the shadow, or, if it gave the answer, the one that it replaces. */
  function otherVersion(name: string, version: string, shadow: Shadow): string | undefined {
    if (version !== shadow.version) return shadow.version;
    return stateOf(name)?.running?.plan.from;
  }

  async function counted<Response extends PictureResponse<unknown>>(
    { name, version }: ModelSpec,
    run: () => Promise<Response>,
  ): Promise<Response> {
    const count = (hasFailed: boolean) => {
      if (version !== undefined) onCall(name, String(version), hasFailed);
    };
    try {
      const response = await run();
      count(response.results.some((result) => !result.ok && isOfReplica(result.error)));
      return response;
    } catch (thrown) {
      count(isOfReplica(ScoringError.from(thrown)));
      throw thrown;
    }
  }

  const withTensors = (taskOf: (model: ModelTasks) => Score): Score => {
    const score: Score = async (request, call) =>
      taskOf(tasks.resolve(request.modelSpec, call))(request, call);
    return async (request, call) => {
      const state = stateOf(request.modelSpec.name);
      if (!state) return score(request, call);
      const { revision } = state;
      const withRevision = (response: ScoreResponse): ScoreResponse => ({
        ...response,
        model: { ...response.model, revision },
      });
      const isChosen = !request.encoded || request.encoded.method === "Predict";
      const modelSpec = isChosen ? chosen(request.modelSpec, call) : request.modelSpec;
      if (modelSpec === request.modelSpec) return withRevision(await score(request, call));
      // The caller's own message names no version.
      const { encoded: _encoded, ...rest } = request;
      const version = String(modelSpec.version);
      using _open = opened(request.modelSpec, modelSpec);
      try {
        const response = await score({ ...rest, modelSpec }, call);
        onCall(modelSpec.name, version, false);
        return withRevision(response);
      } catch (thrown) {
        onCall(modelSpec.name, version, isOfReplica(ScoringError.from(thrown)));
        throw thrown;
      }
    };
  };

  // The version is chosen when the call is scored, not when its body begins to come: a device may be swapped meanwhile.
  const withRollout: Pick<
    ModelTasks,
    "classify" | "detect" | "embed" | "score" | "scoreAsContainer"
  > = {
    classify: withPictures(({ classify }) => classify, comparedLabels, labelText),
    detect: withPictures(({ detect }) => detect, comparedBoxes, boxesText),
    embed: withPictures(({ embed }) => embed),
    score: withTensors(({ score }) => score),
    scoreAsContainer: withTensors(({ scoreAsContainer }) => scoreAsContainer),
  };

  return {
    ...tasks,
    resolve: (modelSpec, call) => {
      const model = tasks.resolve(labelled(modelSpec), call);
      const { name } = modelSpec;
      if (!shadowOf(name) && !stateOf(name)) return model;
      const signatures: ModelTasks["signatures"] = (asked, ofCall) =>
        model.signatures(labelled(asked), ofCall);
      return { ...model, ...withRollout, signatures };
    },
    modelStatus: (modelSpec, call) => tasks.modelStatus(labelled(modelSpec), call),
    modelMetadata: (modelSpec, call) => tasks.modelMetadata(labelled(modelSpec), call),
  };
}

/** Failures that the version is to blame for, rather than the caller or too many calls. */
function isOfReplica({ reason }: ScoringError): boolean {
  return failures.has(reason);
}

const failures: ReadonlySet<ScoringError["reason"]> = new Set([
  "upstream-failed",
  "upstream-answered",
  "model-not-ready",
  "no-replica",
  "unknown-version",
  "deadline-exceeded",
  "internal",
]);

interface Comparing<Value> {
  readonly compare: (a: Value, b: Value) => ComparisonCounts;
  readonly textOf: (value: Value) => string;
}

/** Compares the pictures that both versions answered. */
function comparedResponses<Value>(
  a: PictureResponse<Value>,
  b: PictureResponse<Value>,
  { compare, textOf }: Comparing<Value>,
): ShadowedPair | undefined {
  let pair: ShadowedPair | undefined;
  for (const [index, first] of a.results.entries()) {
    const second: PictureResult<Value> | undefined = b.results[index];
    if (!first.ok || !second?.ok) continue;
    const sums = compare(first.value, second.value);
    const isWorst = !pair || sums.distance > pair.sums.distance / pair.sums.compared;
    pair = {
      index: isWorst ? index : (pair?.index ?? 0),
      answer: isWorst ? textOf(first.value) : (pair?.answer ?? ""),
      shadow: isWorst ? textOf(second.value) : (pair?.shadow ?? ""),
      sums: pair ? summed(pair.sums, sums) : sums,
    };
  }
  return pair;
}

function summed(a: ComparisonCounts, b: ComparisonCounts): ComparisonCounts {
  return {
    compared: a.compared + b.compared,
    top1: a.top1 + b.top1,
    top5: a.top5 + b.top5,
    iou: a.iou + b.iou,
    distance: a.distance + b.distance,
  };
}

function labelText([best]: readonly LabelScore[]): string {
  return best ? `${best.label} ${best.score.toFixed(2)}` : "nothing";
}

function boxesText({ boxes }: Detections): string {
  const texts = boxes.slice(0, 5).map(({ label, score }) => `${label} ${score.toFixed(2)}`);
  return texts.join(", ") || "nothing";
}
