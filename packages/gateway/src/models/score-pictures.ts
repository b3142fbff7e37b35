import {
  type CallContext,
  counted,
  FailedPreconditionError,
  InvalidRequestError,
  type ModelSpec,
  maxResultsPerCall,
  maxResultsPerPicture,
  type Parameters,
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
  readonly parameters?: Parameters;
}

export interface ScoredPicture {
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly size: PictureSize;
}

/** One picture of a call, on its way to its result. */
interface Item<Value> {
  readonly picture: Picture;
  prepared?: PreparedPicture;
  result?: PictureResult<Value>;
  /** The response that the result was read from. */
  response?: ScoreResponse;
}

interface PreparedItem<Value> extends Item<Value> {
  readonly prepared: PreparedPicture;
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
    const items: Item<Value>[] = [];
    for (const picture of pictures) items.push({ picture });
    if (items.length <= batchSize) await scoreBatch(items, work);
    else {
      const maxConcurrent = Math.max(1, Math.floor(options.maxConcurrentPictures / batchSize));
      const batches = inBatches(items, batchSize);
      await mapConcurrently(batches, maxConcurrent, (batch) => scoreBatch(batch, work));
    }
    return responseOf(items);
  };

  /** Gives each picture of a batch its result. */
  async function scoreBatch<Value>(
    items: readonly Item<Value>[],
    work: Work<Value>,
  ): Promise<void> {
    const [first] = items;
    if (first && items.length === 1) await prepareItem(first, work);
    else await Promise.all(items.map((item) => prepareItem(item, work)));
    const prepared = items.filter(isPrepared);
    if (prepared.length > 0) await scoreTogether(prepared, work);
  }

  async function prepareItem<Value>(
    item: Item<Value>,
    { input, call }: Work<Value>,
  ): Promise<void> {
    try {
      item.prepared = await prepare(item.picture.bytes, input, call);
    } catch (thrown) {
      fail(item, pictureError(thrown, call));
    }
  }

  /** Scores prepared pictures in one call. */
  async function scoreTogether<Value>(
    items: readonly PreparedItem<Value>[],
    work: Work<Value>,
  ): Promise<void> {
    const { scoring, modelSpec, input, call } = work;
    const count = items.length;
    const isAlone = count === 1;
    let response: ScoreResponse;
    let outputs: readonly ReadonlyMap<string, Tensor>[];
    try {
      const [first] = items;
      const tensor =
        first && isAlone
          ? first.prepared.tensor
          : stackedTensors(items.map(({ prepared }) => prepared.tensor));
      response = await score(
        {
          modelSpec,
          model: scoring.release,
          inputs: new Map([[input.tensor, tensor], ...(scoring.otherInputs ?? [])]),
          outputFilter: scoring.filter,
          ...(scoring.parameters && { parameters: scoring.parameters }),
          verify: isAlone
            ? scoring.verify
            : (outputs) => outputsPerPicture(outputs, count).forEach(scoring.verify),
        },
        call,
      );
      outputs = isAlone ? [response.outputs] : outputsPerPicture(response.outputs, count);
    } catch (thrown) {
      const error = pictureError(thrown, call);
      // The replica does not report which picture is invalid: the others succeed if they are scored one by one.
      if (!isAlone && error.reason === "upstream-answered") {
        const { maxConcurrentPictures } = options;
        await mapConcurrently(items, maxConcurrentPictures, (each) => scoreTogether([each], work));
      } else for (const item of items) fail(item, error);
      return;
    }
    for (const [index, item] of items.entries()) {
      try {
        const { size } = item.prepared;
        const value = scoring.read({ outputs: outputs[index] ?? new Map(), size });
        item.result = { ...idOf(item), ok: true, value };
        item.response = response;
      } catch (thrown) {
        fail(item, pictureError(thrown, call));
      }
    }
  }
}

const isPrepared = <Value>(item: Item<Value>): item is PreparedItem<Value> =>
  item.prepared !== undefined;

function fail<Value>(item: Item<Value>, error: ScoringError): void {
  item.result = { ...idOf(item), ok: false, error };
}

const idOf = ({ picture: { id } }: Item<unknown>) => (id === undefined ? undefined : { id });

function responseOf<Value>(items: readonly Item<Value>[]): PictureResponse<Value> {
  let answered: ScoreResponse | undefined;
  const results: PictureResult<Value>[] = [];
  for (const { result, response } of items) {
    answered ??= response;
    // Each picture has been prepared, scored or failed by now.
    if (result) results.push(result);
  }
  return {
    ...(answered && { model: answered.model }),
    ...(answered?.region !== undefined && { region: answered.region }),
    results,
  };
}

/**
 * Returns why one picture failed.
 *
 * @throws the reason of the call's signal if the whole call is over
 */
function pictureError(thrown: unknown, { signal, requestBytes }: CallContext): ScoringError {
  if (signal.aborted) throw signal.reason;
  // Of a picture that failed, something may be left in a decoder's pipe.
  if (requestBytes) requestBytes.mayBeRead = true;
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
