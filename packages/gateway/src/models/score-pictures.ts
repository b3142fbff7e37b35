import {
  type CallContext,
  FailedPreconditionError,
  float32Values,
  InvalidRequestError,
  listedNames,
  type ModelSpec,
  maxResultsPerCall,
  NotSupportedError,
  type Picture,
  type PictureRequest,
  type PictureResponse,
  type PictureResult,
  type ScoreResolved,
  type ScoreResponse,
  ScoringError,
  type Tensor,
  TooLargeError,
  UpstreamFailedError,
} from "@tensorgate/core";
import type { PictureSize } from "@tensorgate/imaging";
import { mapConcurrently } from "./map-concurrently.ts";
import type { PictureOptions } from "./options.ts";
import { outputsPerPicture, stackedTensors } from "./picture-batch.ts";
import type { PreparedPicture, PreparePicture } from "./prepare-picture.ts";
import type { PictureInput, Release } from "./release.ts";

/** What every task on pictures is made of. */
export interface PictureTaskParts {
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
  /** What the outputs of one picture mean. */
  readonly read: (scored: ScoredPicture) => Value;
}

export interface ScoredPicture {
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly size: PictureSize;
}

interface Answer<Value> {
  readonly result: PictureResult<Value>;
  readonly response?: ScoreResponse;
}

/**
 * Scores the pictures of a request, several at a time: each by itself, so that a bad one fails alone, or as many
 * together as the model's replicas take.
 *
 * @throws InvalidRequestError if there is no picture, TooLargeError if there are too many
 */
export function pictureScorer({ score, prepare, options }: PictureTaskParts) {
  return async <Value>(
    { modelSpec, pictures }: PictureRequest,
    call: CallContext,
    scoring: PictureScoring<Value>,
  ): Promise<PictureResponse<Value>> => {
    const { picture: input, batchSize } = scoring.release;
    if (!input) throw takesNoPicture(scoring.release);
    assertCount(pictures.length, options.maxPictures);
    assertIds(pictures);
    const batches = inBatches(pictures, batchSize);
    const concurrent = Math.max(1, Math.floor(options.maxConcurrentPictures / batches.size));
    const work = { input, modelSpec, call, scoring };
    const answers = (
      await mapConcurrently(batches.all, concurrent, (batch) => answerBatch(batch, work))
    ).flat();
    const answered = answers.find((answer) => answer.response)?.response;
    return {
      ...(answered && { model: answered.model }),
      ...(answered?.region !== undefined && { region: answered.region }),
      results: answers.map(({ result }) => result),
    };
  };

  interface Work<Value> {
    readonly input: PictureInput;
    readonly modelSpec: ModelSpec;
    readonly call: CallContext;
    readonly scoring: PictureScoring<Value>;
  }

  async function answerBatch<Value>(
    batch: readonly Picture[],
    work: Work<Value>,
  ): Promise<readonly Answer<Value>[]> {
    const prepared = await Promise.all(
      batch.map((picture) => attempt(() => prepare(picture.bytes, work.input, work.call), work)),
    );
    const good = prepared.filter((each) => each instanceof ScoringError === false);
    const scored = await scoreTogether(good as readonly PreparedPicture[], work);
    let next = 0;
    return batch.map((picture, index) => {
      const failure = prepared[index];
      const outcome = ScoringError.is(failure) ? failure : scored[next++];
      return answerFrom(picture, outcome);
    });
  }

  /** @returns for each picture, what it means or why there is no telling */
  async function scoreTogether<Value>(
    pictures: readonly PreparedPicture[],
    work: Work<Value>,
  ): Promise<readonly (Scored<Value> | ScoringError)[]> {
    if (pictures.length === 0) return [];
    const { scoring, modelSpec, input, call } = work;
    const tensor = stackedTensors(pictures.map((each) => each.tensor));
    const outcome = await attempt(async () => {
      const response = await score(
        {
          ...{ modelSpec, model: scoring.release },
          inputs: new Map([[input.tensor, tensor]]),
          outputFilter: scoring.filter,
        },
        call,
      );
      return { response, perPicture: outputsPerPicture(response.outputs, pictures.length) };
    }, work);
    if (!ScoringError.is(outcome)) {
      const { response, perPicture } = outcome;
      return Promise.all(
        pictures.map(({ size }, index) =>
          attempt(async () => {
            const value = scoring.read({ outputs: perPicture[index] ?? new Map(), size });
            return { response, value };
          }, work),
        ),
      );
    }
    // Which of them is to blame is not told: asked one by one, the others are answered.
    if (pictures.length > 1 && outcome.reason === "upstream-answered") {
      const alone = await mapConcurrently(pictures, options.maxConcurrentPictures, (each) =>
        scoreTogether([each], work),
      );
      return alone.flat();
    }
    return pictures.map(() => outcome);
  }

  /** @returns why it failed, unless the call itself is over: there is nobody to tell of single pictures then */
  async function attempt<Result>(
    work: () => Promise<Result>,
    { call }: Pick<Work<unknown>, "call">,
  ): Promise<Result | ScoringError> {
    try {
      return await work();
    } catch (thrown) {
      if (call.signal.aborted) throw call.signal.reason;
      return ScoringError.from(thrown);
    }
  }
}

interface Scored<Value> {
  readonly value: Value;
  readonly response: ScoreResponse;
}

function answerFrom<Value>(
  { id }: Picture,
  outcome: Scored<Value> | ScoringError | undefined,
): Answer<Value> {
  const tag = id === undefined ? {} : { id };
  if (outcome === undefined || ScoringError.is(outcome)) {
    return { result: { ...tag, ok: false, error: ScoringError.from(outcome) } };
  }
  const { value, response } = outcome;
  return { response, result: { ...tag, ok: true, value } };
}

function inBatches(pictures: readonly Picture[], batchSize: number) {
  const count = Math.ceil(pictures.length / batchSize);
  const all = Array.from({ length: count }, (_, batch) =>
    pictures.slice(batch * batchSize, (batch + 1) * batchSize),
  );
  return { all, size: Math.min(batchSize, pictures.length) };
}

function takesNoPicture({ name, tasks }: Release): FailedPreconditionError {
  return new FailedPreconditionError(`model "${name}" takes tensors, not pictures`, {
    hint: `it can be asked to ${tasks.join(", ")}`,
  });
}

/** @throws FailedPreconditionError that says what the release can be asked for */
export function taskNotOffered(task: string, { name, tasks }: Release): FailedPreconditionError {
  return new FailedPreconditionError(`model "${name}" cannot ${task}`, {
    hint: `it can be asked to ${tasks.join(", ")}`,
  });
}

function assertCount(count: number, maxPictures: number): void {
  if (count === 0) throw new InvalidRequestError("the request holds no picture");
  if (count > maxPictures) {
    throw new TooLargeError(`the request holds ${count} pictures; the limit is ${maxPictures}`, {
      hint: "split them over several calls",
    });
  }
}

/** Characters of the longest id: it is echoed in the answer. */
const maxIdLength = 1_024;

function assertIds(pictures: readonly Picture[]): void {
  const index = pictures.findIndex(({ id = "" }) => id.length > maxIdLength);
  if (index === -1) return;
  throw new InvalidRequestError(`the id of a picture is longer than ${maxIdLength} characters`, {
    field: `pictures[${index}].id`,
  });
}

/**
 * Checks what a caller asks for on all pictures of a call together. What the model's own settings give is the operator's choice.
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
    `${pictures.length} pictures with a ${field} of ${perPicture} ask for ${count} results; the limit is ${maxResultsPerCall}`,
    { field, hint: `give a smaller ${field}, or send the pictures in several calls` },
  );
}

/**
 * Where a reply has a single output it is the one meant, whatever it is called.
 *
 * @throws NotSupportedError that lists what there is
 */
export function outputNamed(name: string, outputs: ReadonlyMap<string, Tensor>): Tensor {
  const [only] = outputs.values();
  const tensor = outputs.get(name) ?? (outputs.size === 1 ? only : undefined);
  if (tensor) return tensor;
  throw new NotSupportedError(`the model's reply has no output "${name}"`, {
    hint: `it has ${listedNames(outputs.keys())}`,
  });
}

/**
 * The values of an output for one picture, whatever axes of extent 1 it has.
 *
 * @throws UpstreamFailedError if it is not FP32 of one picture
 */
export function valuesOfOne(tensor: Tensor, what: string): Float32Array {
  const { dtype, shape } = tensor;
  const hasOneRow = shape.filter((extent) => extent !== 1).length <= 1;
  if (dtype === "FP32" && hasOneRow) return float32Values(tensor);
  throw new UpstreamFailedError(
    `the model's ${what} are ${dtype} of shape [${shape}], not FP32 of one picture`,
  );
}

/** @throws UpstreamFailedError if one of `values` is no number */
export function assertNumbers(values: Float32Array, what: string): void {
  let count = 0;
  // A plain loop: it runs for each of a thousand scores of every picture.
  for (let at = 0; at < values.length; at += 1) if (Number.isNaN(values[at])) count += 1;
  if (count === 0) return;
  throw new UpstreamFailedError(`${count} of the model's ${values.length} ${what} are no numbers`);
}
