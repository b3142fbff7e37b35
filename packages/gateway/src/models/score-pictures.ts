import {
  type CallContext,
  FailedPreconditionError,
  InvalidRequestError,
  type ModelSpec,
  type Parameters,
  type Picture,
  type PictureRequest,
  type PictureResponse,
  type PictureResult,
  type ResolvedRequest,
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
import type { PreparedPicture, PreparePicture } from "./prepare-picture.ts";
import type { Release } from "./release.ts";

/** Collaborators of every task on pictures. */
export interface PictureTaskDeps {
  readonly score: ScoreResolved;
  readonly prepare: PreparePicture;
  readonly options: Required<PictureOptions>;
}

export interface PictureScoring<Value> {
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

/** One of several pictures of a call, on its way to its result. */
interface Item<Value> {
  readonly picture: Picture;
  /** What a call of this picture alone is answered, but for its id. */
  answer?: PictureResponse<Value>;
}

interface PreparedItem<Value> {
  readonly item: Item<Value>;
  readonly prepared: PreparedPicture;
}

/** The common part of the pictures of one call. */
interface Work<Value> {
  readonly modelSpec: ModelSpec;
  readonly call: CallContext;
  readonly scoring: PictureScoring<Value>;
}

/** @throws InvalidRequestError if there is no picture, TooLargeError if there are too many */
export type ScorePictures<Request extends PictureRequest, Value> = (
  request: Request,
  call: CallContext,
) => Promise<PictureResponse<Value>>;

/**
 * Creates what scores the pictures of requests for a release concurrently: each on its own, so that an invalid one fails
 * alone, or in batches of the size that the replicas accept.
 *
 * @param scoringOf - says how the pictures of a call are scored; fails the call if it throws
 */
export function createPictureScorer<Request extends PictureRequest, Value>(
  release: Release,
  { score, prepare, options }: PictureTaskDeps,
  scoringOf: (request: Request, call: CallContext) => PictureScoring<Value>,
): ScorePictures<Request, Value> {
  const { picture, batchSize, residency } = release;
  if (!picture) return notOffered("takes tensors, not pictures", release);
  const input = picture;

  return (request, call) => {
    try {
      const scoring = scoringOf(request, call);
      const { modelSpec, pictures } = request;
      const work = { modelSpec, call: residency ? withinRegions(call, residency) : call, scoring };
      const only = pictures.length === 1 ? pictures[0] : undefined;
      // One is never too many, and without an id there is none to check and to give back.
      if (only && only.id === undefined) return scoreAlone(only, work);
      assertPictures(pictures, options.maxPictures);
      return scoreEach(pictures, work);
    } catch (thrown) {
      // As in an async function, which would be a second one for each call.
      return Promise.reject(thrown);
    }
  };

  /** Scores one picture, whose id is left out of the answer. @param ready - if it is prepared already */
  async function scoreAlone(
    picture: Picture,
    work: Work<Value>,
    ready?: PreparedPicture,
  ): Promise<PictureResponse<Value>> {
    const { scoring, call } = work;
    try {
      const prepared = ready ?? prepare(picture.bytes, input, call);
      const { tensor, size } = prepared instanceof Promise ? await prepared : prepared;
      const request = scoreRequest(tensor, scoring.verify, work);
      const { model, region, outputs } = await score(request, call);
      return { model, region, results: [{ ok: true, value: scoring.read({ outputs, size }) }] };
    } catch (thrown) {
      return failure(pictureError(thrown, call));
    }
  }

  function scoreRequest(
    tensor: Tensor,
    verify: PictureScoring<Value>["verify"],
    { modelSpec, scoring }: Work<Value>,
  ): ResolvedRequest {
    const { filter, otherInputs, parameters } = scoring;
    const inputs = new Map<string, Tensor>();
    inputs.set(input.tensor, tensor);
    if (otherInputs) for (const [name, other] of otherInputs) inputs.set(name, other);
    const request = { modelSpec, model: release, inputs, outputFilter: filter, verify };
    return parameters ? { ...request, parameters } : request;
  }

  async function scoreEach(
    pictures: readonly Picture[],
    work: Work<Value>,
  ): Promise<PictureResponse<Value>> {
    const items: readonly Item<Value>[] = pictures.map((picture) => ({ picture }));
    if (items.length <= batchSize) await scoreBatch(items, work);
    else {
      const maxConcurrent = Math.max(1, Math.floor(options.maxConcurrentPictures / batchSize));
      const batches = inBatches(items, batchSize);
      await mapConcurrently(batches, maxConcurrent, (batch) => scoreBatch(batch, work));
    }
    let answered: PictureResponse<Value> | undefined;
    const results: PictureResult<Value>[] = [];
    for (const { picture, answer } of items) {
      if (answer?.model) answered ??= answer;
      const { id } = picture;
      // Each picture has been prepared, scored or failed by now.
      for (const result of answer?.results ?? []) {
        results.push(id === undefined ? result : { id, ...result });
      }
    }
    return { model: answered?.model, region: answered?.region, results };
  }

  /** Gives each picture of a batch its answer. */
  async function scoreBatch(items: readonly Item<Value>[], work: Work<Value>): Promise<void> {
    const tried = await Promise.all(items.map((item) => prepareItem(item, work)));
    const prepared = tried.filter((each) => each !== undefined);
    if (prepared.length > 1) await scoreStacked(prepared, work);
    else for (const each of prepared) await scorePrepared(each, work);
  }

  /** @returns undefined if it failed, which is its answer then */
  async function prepareItem(
    item: Item<Value>,
    { call }: Work<Value>,
  ): Promise<PreparedItem<Value> | undefined> {
    try {
      return { item, prepared: await prepare(item.picture.bytes, input, call) };
    } catch (thrown) {
      item.answer = failure(pictureError(thrown, call));
      return undefined;
    }
  }

  async function scorePrepared(
    { item, prepared }: PreparedItem<Value>,
    work: Work<Value>,
  ): Promise<void> {
    item.answer = await scoreAlone(item.picture, work, prepared);
  }

  /** Scores several pictures in one call. */
  async function scoreStacked(
    items: readonly PreparedItem<Value>[],
    work: Work<Value>,
  ): Promise<void> {
    const { scoring, call } = work;
    let response: ScoreResponse;
    let outputs: readonly ReadonlyMap<string, Tensor>[];
    try {
      const tensor = stackedTensors(items.map(({ prepared }) => prepared.tensor));
      const verify: PictureScoring<Value>["verify"] = (stacked) =>
        outputsPerPicture(stacked, items.length).forEach(scoring.verify);
      response = await score(scoreRequest(tensor, verify, work), call);
      outputs = outputsPerPicture(response.outputs, items.length);
    } catch (thrown) {
      const error = pictureError(thrown, call);
      // The replica does not report which picture is invalid: the others succeed if they are scored one by one.
      if (error.reason === "upstream-answered") {
        const max = options.maxConcurrentPictures;
        await mapConcurrently(items, max, (each) => scorePrepared(each, work));
      } else for (const { item } of items) item.answer = failure(error);
      return;
    }
    const { model, region } = response;
    for (const [index, { item, prepared }] of items.entries()) {
      try {
        const { size } = prepared;
        const value = scoring.read({ outputs: outputs[index] ?? new Map(), size });
        item.answer = { model, region, results: [{ ok: true, value }] };
      } catch (thrown) {
        item.answer = failure(pictureError(thrown, call));
      }
    }
  }
}

function failure(error: ScoringError): PictureResponse<never> {
  return { results: [{ ok: false, error }] };
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

/** Stands in for a task that a release does not have: fails with those that it has. @param why - such as "cannot detect" */
export function notOffered(why: string, { name, tasks }: Release): () => Promise<never> {
  return async () => {
    throw new FailedPreconditionError(`model "${name}" ${why}`, {
      hint: `its tasks: ${tasks.join(", ")}`,
    });
  };
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
  for (let index = 0; index < count; index += 1) {
    const { id = "" } = pictures[index] as Picture;
    if (id.length <= maxIdLength) continue;
    throw new InvalidRequestError(`the id of a picture is longer than ${maxIdLength} characters`, {
      field: `pictures[${index}].id`,
    });
  }
}
