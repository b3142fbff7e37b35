import {
  type CallContext,
  counted,
  FailedPreconditionError,
  InvalidRequestError,
  type ModelSpec,
  maxResultsPerCall,
  maxResultsPerPicture,
  type Picture,
  type PictureRequest,
  type PictureResponse,
  type PictureResult,
  type ScoreResolved,
  type ScoreResponse,
  ScoringError,
  type Tensor,
  TooLargeError,
  withinRegions,
} from "@tensorgate/core";
import type { PictureSize } from "@tensorgate/imaging";
import type { PictureOptions } from "./options.ts";
import { inBatches, mapConcurrently, outputsPerPicture, stackedTensors } from "./picture-batch.ts";
import type { PictureInput } from "./picture-input.ts";
import type { PreparedPicture, PreparePicture } from "./prepare-picture.ts";
import type { Release } from "./release.ts";

/** Collaborators of every task on pictures. */
export interface PictureTaskDeps {
  /** @throws UnknownModelError with the nearest names */
  readonly resolve: (modelSpec: ModelSpec) => Release;
  readonly score: ScoreResolved;
  readonly prepare: PreparePicture;
  readonly options: Required<PictureOptions>;
}

export interface PictureScoring<Value> {
  readonly release: Release;
  /** Outputs to ask for; empty for all. */
  readonly filter: readonly string[];
  /** Checks the outputs of one picture. @throws UpstreamFailedError if the model does not give such outputs */
  readonly verify: (outputs: ReadonlyMap<string, Tensor>) => void;
  /** Reads the result from the outputs of one picture. */
  readonly read: (scored: ScoredPicture) => Value;
  /** Inputs beside the picture, sent with each. */
  readonly otherInputs?: ReadonlyMap<string, Tensor>;
}

export interface ScoredPicture {
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly size: PictureSize;
}

interface Answer<Value> {
  readonly result: PictureResult<Value>;
  readonly response?: ScoreResponse;
}

interface Scored<Value> {
  readonly value: Value;
  readonly response: ScoreResponse;
}

/** Failure of one picture. */
interface Failed {
  readonly error: ScoringError;
}

/** The common part of the pictures of one call. */
interface Work<Value> {
  readonly input: PictureInput;
  readonly modelSpec: ModelSpec;
  readonly call: CallContext;
  readonly scoring: PictureScoring<Value>;
}

/**
 * Scores the pictures of a request concurrently: each on its own, so that an invalid one fails alone, or in batches of
 * the size that the replicas accept.
 *
 * @throws InvalidRequestError if there is no picture, TooLargeError if there are too many
 */
export function createPictureScorer({ score, prepare, options }: PictureTaskDeps) {
  return async <Value>(
    { modelSpec, pictures }: PictureRequest,
    call: CallContext,
    scoring: PictureScoring<Value>,
  ): Promise<PictureResponse<Value>> => {
    const { picture: input, batchSize } = scoring.release;
    if (!input) throw takesNoPicture(scoring.release);
    assertPictures(pictures, options.maxPictures);
    const regional = withinRegions(call, scoring.release.residency);
    const work = { input, modelSpec, call: regional, scoring };
    const answers =
      pictures.length <= batchSize
        ? await answerBatch(pictures, work)
        : await answerBatches(inBatches(pictures, batchSize), work);
    let answered: ScoreResponse | undefined;
    const results: PictureResult<Value>[] = [];
    for (const { result, response } of answers) {
      answered ??= response;
      results.push(result);
    }
    return {
      ...(answered && { model: answered.model }),
      ...(answered?.region !== undefined && { region: answered.region }),
      results,
    };
  };

  async function answerBatches<Value>(
    batches: readonly (readonly Picture[])[],
    work: Work<Value>,
  ): Promise<readonly Answer<Value>[]> {
    const batchSize = batches[0]?.length ?? 1;
    const maxConcurrent = Math.max(1, Math.floor(options.maxConcurrentPictures / batchSize));
    const answers = await mapConcurrently(batches, maxConcurrent, (batch) =>
      answerBatch(batch, work),
    );
    return answers.flat();
  }

  async function answerBatch<Value>(
    batch: readonly Picture[],
    work: Work<Value>,
  ): Promise<readonly Answer<Value>[]> {
    const { input, call } = work;
    const prepared = await Promise.all(
      batch.map(async ({ bytes }): Promise<PreparedPicture | Failed> => {
        try {
          return await prepare(bytes, input, call);
        } catch (thrown) {
          return { error: pictureError(thrown, call) };
        }
      }),
    );
    const good: PreparedPicture[] = [];
    for (const each of prepared) if ("tensor" in each) good.push(each);
    const scored = await scoreTogether(good, work);
    const answers: Answer<Value>[] = [];
    let next = 0;
    for (const [index, each] of prepared.entries()) {
      const id = batch[index]?.id;
      const tag = id === undefined ? {} : { id };
      // There is one outcome for each picture that could be prepared.
      const outcome = "error" in each ? each : (scored[next++] as Scored<Value> | Failed);
      if ("error" in outcome) {
        answers.push({ result: { ...tag, ok: false, error: outcome.error } });
      } else {
        const { value, response } = outcome;
        answers.push({ response, result: { ...tag, ok: true, value } });
      }
    }
    return answers;
  }

  /** Scores prepared pictures in one call. @returns one outcome for each picture */
  async function scoreTogether<Value>(
    pictures: readonly PreparedPicture[],
    work: Work<Value>,
  ): Promise<readonly (Scored<Value> | Failed)[]> {
    const [first] = pictures;
    if (!first) return [];
    const { scoring, modelSpec, input, call } = work;
    const isAlone = pictures.length === 1;
    let response: ScoreResponse;
    let outputs: readonly ReadonlyMap<string, Tensor>[];
    try {
      const tensor = isAlone ? first.tensor : stackedTensors(pictures.map((each) => each.tensor));
      response = await score(
        {
          modelSpec,
          model: scoring.release,
          inputs: new Map([[input.tensor, tensor], ...(scoring.otherInputs ?? [])]),
          outputFilter: scoring.filter,
          verify: isAlone
            ? scoring.verify
            : (outputs) => outputsPerPicture(outputs, pictures.length).forEach(scoring.verify),
        },
        call,
      );
      outputs = isAlone ? [response.outputs] : outputsPerPicture(response.outputs, pictures.length);
    } catch (thrown) {
      const error = pictureError(thrown, call);
      // The replica does not report which picture is invalid: the others succeed if they are scored one by one.
      if (!isAlone && error.reason === "upstream-answered") {
        const alone = await mapConcurrently(pictures, options.maxConcurrentPictures, (each) =>
          scoreTogether([each], work),
        );
        return alone.flat();
      }
      return pictures.map(() => ({ error }));
    }
    const scored: (Scored<Value> | Failed)[] = [];
    for (const [index, { size }] of pictures.entries()) {
      try {
        const value = scoring.read({ outputs: outputs[index] ?? new Map(), size });
        scored.push({ value, response });
      } catch (thrown) {
        scored.push({ error: pictureError(thrown, call) });
      }
    }
    return scored;
  }
}

/**
 * Returns why one picture failed.
 *
 * @throws the reason of the call's signal if the whole call is over
 */
function pictureError(thrown: unknown, { signal }: CallContext): ScoringError {
  if (signal.aborted) throw signal.reason;
  return ScoringError.from(thrown);
}

function takesNoPicture({ name, tasks }: Release): FailedPreconditionError {
  return new FailedPreconditionError(`model "${name}" takes tensors, not pictures`, {
    hint: `its tasks: ${tasks.join(", ")}`,
  });
}

/** Creates the error for a task that a release does not have, with those that it has. */
export function taskNotOffered(task: string, { name, tasks }: Release): FailedPreconditionError {
  return new FailedPreconditionError(`model "${name}" cannot ${task}`, {
    hint: `its tasks: ${tasks.join(", ")}`,
  });
}

/** Longest id of a picture, in characters: it is echoed in the response. */
const maxIdLength = 1_024;

function assertPictures(pictures: readonly Picture[], maxPictures: number): void {
  const count = pictures.length;
  if (count === 0) throw new InvalidRequestError("the request has no picture");
  if (count > maxPictures) {
    throw new TooLargeError(`the request has ${count} pictures; the limit is ${maxPictures}`, {
      hint: "send them in several calls",
    });
  }
  for (const [index, { id = "" }] of pictures.entries()) {
    if (id.length <= maxIdLength) continue;
    throw new InvalidRequestError(`the id of a picture is longer than ${maxIdLength} characters`, {
      field: `pictures[${index}].id`,
    });
  }
}

/**
 * Limits the number of results for one picture to `maxResultsPerPicture`: a larger number stands for all results.
 *
 * @throws InvalidRequestError if it is no whole number above 0
 */
export function resultCount(field: string, count: number): number {
  if (Number.isInteger(count) && count >= 1) return Math.min(count, maxResultsPerPicture);
  throw new InvalidRequestError(`${field} must be a whole number of at least 1, got ${count}`, {
    field,
  });
}

/**
 * Checks the number of results that a caller requests for all pictures of a call. Those of the model's settings are the
 * choice of the operator.
 *
 * @throws TooLargeError if it is more than one answer holds
 */
export function assertResultCount(
  { pictures }: PictureRequest,
  { field, perPicture }: { readonly field: string; readonly perPicture: number | undefined },
): void {
  const count = pictures.length * (perPicture ?? 0);
  if (count <= maxResultsPerCall) return;
  throw new TooLargeError(
    `${counted(pictures.length, "picture")} with ${field} ${perPicture} would return ${count} results; the limit is ${maxResultsPerCall}`,
    { field, hint: `use a smaller ${field}, or split the pictures over several calls` },
  );
}
