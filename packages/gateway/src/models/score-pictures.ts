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

/** One picture of a call, on its way to its result. */
interface Item<Value> {
  readonly picture: Picture;
  /** As the model takes it; undefined until then, and if that failed. */
  prepared: PreparedPicture | undefined;
  /** Its result, without its id. */
  outcome: PictureResult<Value> | undefined;
  /** The response that the value was read from. */
  response: ScoreResponse | undefined;
}

interface PreparedItem<Value> extends Item<Value> {
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

  return async (request, call) => {
    const scoring = scoringOf(request, call);
    const { modelSpec, pictures } = request;
    assertPictures(pictures, options.maxPictures);
    const work = { modelSpec, call: residency ? withinRegions(call, residency) : call, scoring };
    const items = new Array<Item<Value>>(pictures.length);
    for (let index = 0; index < items.length; index += 1) {
      const picture = pictures[index] as Picture;
      items[index] = { picture, prepared: undefined, outcome: undefined, response: undefined };
    }
    if (items.length === 1) await scoreAlone(items[0] as Item<Value>, work);
    else await scoreInBatches(items, work);
    let answered: ScoreResponse | undefined;
    const results = new Array<PictureResult<Value>>(items.length);
    for (let index = 0; index < items.length; index += 1) {
      const { picture, outcome, response } = items[index] as Item<Value>;
      answered ??= response;
      const { id } = picture;
      // Each picture has been prepared, scored or failed by now.
      if (outcome) results[index] = id === undefined ? outcome : { id, ...outcome };
    }
    return { model: answered?.model, region: answered?.region, results };
  };

  /** Scores one picture, which may be prepared already, and gives it its result. */
  async function scoreAlone(item: Item<Value>, work: Work<Value>): Promise<void> {
    const { scoring, call } = work;
    try {
      const prepared = item.prepared ?? prepare(item.picture.bytes, input, call);
      const { tensor, size } = prepared instanceof Promise ? await prepared : prepared;
      const response = await score(scoreRequest(tensor, scoring.verify, work), call);
      const value = scoring.read({ outputs: response.outputs, size });
      item.outcome = { ok: true, value };
      item.response = response;
    } catch (thrown) {
      item.outcome = { ok: false, error: pictureError(thrown, call) };
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

  async function scoreInBatches(items: readonly Item<Value>[], work: Work<Value>): Promise<void> {
    if (items.length <= batchSize) return scoreBatch(items, work);
    const maxConcurrent = Math.max(1, Math.floor(options.maxConcurrentPictures / batchSize));
    const batches = inBatches(items, batchSize);
    await mapConcurrently(batches, maxConcurrent, (batch) => scoreBatch(batch, work));
  }

  /** Gives each picture of a batch its result. */
  async function scoreBatch(items: readonly Item<Value>[], work: Work<Value>): Promise<void> {
    await Promise.all(items.map((item) => prepareItem(item, work)));
    const prepared = items.filter(isPrepared);
    const [first] = prepared;
    if (first)
      await (prepared.length === 1 ? scoreAlone(first, work) : scoreStacked(prepared, work));
  }

  /** Prepares a picture, or makes it its result that this failed. */
  async function prepareItem(item: Item<Value>, { call }: Work<Value>): Promise<void> {
    try {
      item.prepared = await prepare(item.picture.bytes, input, call);
    } catch (thrown) {
      item.outcome = { ok: false, error: pictureError(thrown, call) };
    }
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
        await mapConcurrently(items, max, (each) => scoreAlone(each, work));
      } else for (const item of items) item.outcome = { ok: false, error };
      return;
    }
    for (const [index, item] of items.entries()) {
      try {
        const { size } = item.prepared;
        const value = scoring.read({ outputs: outputs[index] ?? new Map(), size });
        item.outcome = { ok: true, value };
        item.response = response;
      } catch (thrown) {
        item.outcome = { ok: false, error: pictureError(thrown, call) };
      }
    }
  }
}

function isPrepared<Value>(item: Item<Value>): item is PreparedItem<Value> {
  return item.prepared !== undefined;
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
