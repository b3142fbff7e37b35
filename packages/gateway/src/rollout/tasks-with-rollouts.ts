import {
  type CallContext,
  type Clock,
  type Detections,
  type LabelScore,
  type ModelSpec,
  type PictureRequest,
  type PictureResponse,
  type PictureResult,
  type Score,
  type ScoreResponse,
  ScoringError,
  type Tasks,
} from "@tensorgate/core";
import { chosenVersion, stickyPosition } from "./machine/choose-version.ts";
import { comparedBoxes, comparedLabels } from "./machine/compare-answers.ts";
import { type ComparisonCounts, type RolloutState, weightsOf } from "./machine/machine.ts";
import type { Shadow, ShadowedPair } from "./shadow.ts";

export interface RolloutTasksDeps {
  readonly stateOf: (model: string) => RolloutState | undefined;
  readonly shadowOf: (model: string) => Shadow | undefined;
  readonly onCall: (model: string, version: string, hasFailed: boolean) => void;
  readonly clock: Clock;
  readonly random: () => number;
}

type PictureTask<Value, Request extends PictureRequest> = (
  request: Request,
  call: CallContext,
) => Promise<PictureResponse<Value>>;

/** Chooses the version of calls that name none, counts how they end, and hands answers to a shadow. */
export function tasksWithRollouts(tasks: Tasks, deps: RolloutTasksDeps): Tasks {
  const { stateOf, shadowOf, onCall, clock } = deps;

  function withPictures<Value, Request extends PictureRequest>(
    task: PictureTask<Value, Request>,
    compare?: (a: Value, b: Value) => ComparisonCounts,
    textOf: (value: Value) => string = () => "",
  ): PictureTask<Value, Request> {
    return async (request, call) => {
      const { name } = request.modelSpec;
      const shadow = shadowOf(name);
      if (!shadow && !stateOf(name)) return task(request, call);
      const { revision = 0 } = stateOf(name) ?? {};
      const modelSpec = chosenSpec(request.modelSpec, call, deps);
      const startedMs = clock.nowMs();
      const answer = await counted(modelSpec, () => task({ ...request, modelSpec }, call));
      const { model } = answer;
      const response = model ? { ...answer, model: { ...model, revision } } : answer;
      const version = String(response.model?.version ?? "");
      // A call that names a version asks for just that one.
      const isOpen = request.modelSpec.version === undefined;
      if (shadow && compare && isOpen && version !== "") {
        const other = otherVersion(name, version, shadow);
        if (other !== undefined) {
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

  const withTensors =
    (score: Score): Score =>
    async (request, call) => {
      const state = stateOf(request.modelSpec.name);
      if (!state) return score(request, call);
      const { revision } = state;
      const withRevision = (response: ScoreResponse): ScoreResponse => ({
        ...response,
        model: { ...response.model, revision },
      });
      const isChosen = !request.encoded || request.encoded.method === "Predict";
      const modelSpec = isChosen ? chosenSpec(request.modelSpec, call, deps) : request.modelSpec;
      if (modelSpec === request.modelSpec) return withRevision(await score(request, call));
      // The caller's own message names no version.
      const { encoded: _encoded, ...rest } = request;
      const version = String(modelSpec.version);
      try {
        const response = await score({ ...rest, modelSpec }, call);
        onCall(modelSpec.name, version, false);
        return withRevision(response);
      } catch (thrown) {
        onCall(modelSpec.name, version, isOfReplica(ScoringError.from(thrown)));
        throw thrown;
      }
    };

  const labelled = (modelSpec: ModelSpec) => labelledSpec(modelSpec, stateOf(modelSpec.name));
  return {
    ...tasks,
    assertModel: (modelSpec) => tasks.assertModel(labelled(modelSpec)),
    pictureInputs: (modelSpec) => tasks.pictureInputs(labelled(modelSpec)),
    modelStatus: (modelSpec, call) => tasks.modelStatus(labelled(modelSpec), call),
    modelMetadata: (modelSpec, call) => tasks.modelMetadata(labelled(modelSpec), call),
    signatures: (modelSpec, call) => tasks.signatures(labelled(modelSpec), call),
    classify: withPictures(tasks.classify, comparedLabels, labelText),
    detect: withPictures(tasks.detect, comparedBoxes, boxesText),
    embed: withPictures(tasks.embed),
    score: withTensors(tasks.score),
    scoreAsContainer: withTensors(tasks.scoreAsContainer),
  };
}

/** Returns the model spec with the version that this call gets. */
function chosenSpec(
  modelSpec: ModelSpec,
  call: CallContext,
  { stateOf, random }: RolloutTasksDeps,
): ModelSpec {
  const { name, version, versionLabel, ...rest } = modelSpec;
  const state = stateOf(name);
  const weights = state && weightsOf(state);
  if (!state || !weights || version !== undefined) return modelSpec;
  if (versionLabel !== undefined) return labelledSpec(modelSpec, state);
  const key = stickyKey(state.running?.plan.sticky ?? "none", call);
  const position = key === undefined ? random() : stickyPosition(name, key);
  return { ...rest, name, version: BigInt(chosenVersion(weights, position)) };
}

/** Replaces the labels `stable` and `canary` by the versions that a rollout gives them. */
function labelledSpec(modelSpec: ModelSpec, state: RolloutState | undefined): ModelSpec {
  const { name, versionLabel, ...rest } = modelSpec;
  if (!state || versionLabel === undefined) return modelSpec;
  const { running, stable } = state;
  const labelled = { stable: running?.plan.from ?? stable, canary: running?.plan.to ?? stable };
  const named = labelled[versionLabel as keyof typeof labelled];
  return named === undefined ? modelSpec : { ...rest, name, version: BigInt(named) };
}

/** @returns undefined if nothing keeps the caller at a version */
function stickyKey(sticky: "key" | "session" | "none", call: CallContext): string | undefined {
  switch (sticky) {
    case "key":
      return call.caller?.id ?? call.fairnessKey;
    case "session":
      return call.hints.session ?? call.fairnessKey;
    case "none":
      return undefined;
  }
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
