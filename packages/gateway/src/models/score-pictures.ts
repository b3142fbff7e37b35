import {
  bytesTensor,
  type CallContext,
  type Clock,
  FailedPreconditionError,
  InvalidRequestError,
  type ModelSpec,
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
import {
  assertPictureWithinLimits,
  type ConvertInWorker,
  needsNoConversion,
  orientedSize,
  type PictureSize,
  type PreprocessInWorker,
  readPictureHeader,
} from "@tensorgate/imaging";
import type { PictureOptions } from "./options.ts";
import { inBatches, mapConcurrently, outputsPerPicture, stackedTensors } from "./picture-batch.ts";
import type { PictureInput } from "./picture-input.ts";
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
  /** Its result, without its id. */
  outcome?: PictureResult<Value>;
  /** The response that the value was read from. */
  response?: ScoreResponse;
}

interface PreparedItem<Value> extends PreparedPicture {
  readonly item: Item<Value>;
}

/** The common part of the pictures of one call. */
interface Work<Value> {
  readonly modelSpec: ModelSpec;
  readonly call: CallContext;
  readonly scoring: PictureScoring<Value>;
}

/** @throws InvalidRequestError if there is no picture, TooLargeError if there are too many */
export type ScorePictures = <Value>(
  request: PictureRequest,
  call: CallContext,
  scoring: PictureScoring<Value>,
) => Promise<PictureResponse<Value>>;

/**
 * Creates what scores the pictures of requests for a release concurrently: each on its own, so that an invalid one fails
 * alone, or in batches of the size that the replicas accept.
 */
export function createPictureScorer(
  release: Release,
  { score, prepare, options }: PictureTaskDeps,
): ScorePictures {
  const { picture, batchSize, residency } = release;
  if (!picture) return notOffered("takes tensors, not pictures", release);
  const input = picture;

  return async (request, call, scoring) => {
    const { modelSpec, pictures } = request;
    assertPictures(pictures, options.maxPictures);
    const regional = residency ? withinRegions(call, residency) : call;
    const work = { modelSpec, call: regional, scoring };
    type Value = ReturnType<typeof scoring.read>;
    const items: Item<Value>[] = [];
    for (const picture of pictures) items.push({ picture });
    if (items.length <= batchSize) await scoreBatch(items, work);
    else {
      const maxConcurrent = Math.max(1, Math.floor(options.maxConcurrentPictures / batchSize));
      const batches = inBatches(items, batchSize);
      await mapConcurrently(batches, maxConcurrent, (batch) => scoreBatch(batch, work));
    }
    let answered: ScoreResponse | undefined;
    const results: PictureResult<Value>[] = [];
    for (const { picture, outcome, response } of items) {
      answered ??= response;
      const { id } = picture;
      // Each picture has been prepared, scored or failed by now.
      if (outcome) results.push(id === undefined ? outcome : { id, ...outcome });
    }
    return { model: answered?.model, region: answered?.region, results };
  };

  /** Gives each picture of a batch its result. */
  async function scoreBatch<Value>(
    items: readonly Item<Value>[],
    work: Work<Value>,
  ): Promise<void> {
    const [first] = items;
    const tried =
      first && items.length === 1
        ? [await prepareItem(first, work)]
        : await Promise.all(items.map((item) => prepareItem(item, work)));
    const prepared: PreparedItem<Value>[] = [];
    for (const each of tried) if (each) prepared.push(each);
    if (prepared.length > 0) await scoreTogether(prepared, work);
  }

  /** @returns undefined if it failed, which is its result then */
  async function prepareItem<Value>(
    item: Item<Value>,
    { call }: Work<Value>,
  ): Promise<PreparedItem<Value> | undefined> {
    try {
      const { tensor, size } = await prepare(item.picture.bytes, input, call);
      return { tensor, size, item };
    } catch (thrown) {
      item.outcome = { ok: false, error: pictureError(thrown, call) };
      return undefined;
    }
  }

  /** Scores prepared pictures in one call. */
  async function scoreTogether<Value>(
    items: readonly PreparedItem<Value>[],
    work: Work<Value>,
  ): Promise<void> {
    const { scoring, modelSpec, call } = work;
    const isAlone = items.length === 1;
    let response: ScoreResponse;
    let outputs: readonly ReadonlyMap<string, Tensor>[];
    try {
      const [first] = items;
      const tensor =
        first && isAlone ? first.tensor : stackedTensors(items.map(({ tensor }) => tensor));
      const inputs = new Map([[input.tensor, tensor]]);
      for (const [name, other] of scoring.otherInputs ?? []) inputs.set(name, other);
      response = await score(
        {
          modelSpec,
          model: release,
          inputs,
          outputFilter: scoring.filter,
          ...(scoring.parameters && { parameters: scoring.parameters }),
          verify: isAlone
            ? scoring.verify
            : (outputs) => outputsPerPicture(outputs, items.length).forEach(scoring.verify),
        },
        call,
      );
      outputs = isAlone ? [response.outputs] : outputsPerPicture(response.outputs, items.length);
    } catch (thrown) {
      const error = pictureError(thrown, call);
      // The replica does not report which picture is invalid: the others succeed if they are scored one by one.
      if (!isAlone && error.reason === "upstream-answered") {
        const max = options.maxConcurrentPictures;
        await mapConcurrently(items, max, (each) => scoreTogether([each], work));
      } else for (const { item } of items) item.outcome = { ok: false, error };
      return;
    }
    for (const [index, { item, size }] of items.entries()) {
      try {
        const value = scoring.read({ outputs: outputs[index] ?? new Map(), size });
        item.outcome = { ok: true, value };
        item.response = response;
      } catch (thrown) {
        item.outcome = { ok: false, error: pictureError(thrown, call) };
      }
    }
  }
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
  for (const [index, { id = "" }] of pictures.entries()) {
    if (id.length <= maxIdLength) continue;
    throw new InvalidRequestError(`the id of a picture is longer than ${maxIdLength} characters`, {
      field: `pictures[${index}].id`,
    });
  }
}

/** A picture as its model takes it. */
export interface PreparedPicture {
  /** BYTES `[1]`, or `[]` for a model that takes a scalar; or the pixels of one picture. */
  readonly tensor: Tensor;
  /** Turned as its orientation says. */
  readonly size: PictureSize;
}

export interface PictureDeps {
  /** Decodes a picture to the pixels that a model takes. */
  readonly preprocess: PreprocessInWorker;
  /** Converts a picture that a model could not decode, or would decode wrongly, to a plain one. */
  readonly convert: ConvertInWorker;
  readonly options: Required<PictureOptions>;
  readonly clock: Clock;
}

export type PreparePicture = (
  bytes: Uint8Array,
  input: PictureInput,
  call: CallContext,
) => Promise<PreparedPicture>;

/**
 * Converts an encoded picture to what a model takes.
 *
 * If the model decodes the picture as people see it, only its header is read, and it is sent in the buffer that it came
 * in. Any other picture is decoded in a separate process, turned upright, and sent as a PNG, a JPEG or pixels.
 */
export function createPicturePreparer(deps: PictureDeps): PreparePicture {
  const { preprocess, convert, options, clock } = deps;
  const { maxPixels, maxSidePx, additionalFormats } = options;
  const decoding = { maxPixels, maxSidePx, additionalFormats, oriented: true };

  return async (bytes, input, call) => {
    const header = readPictureHeader(bytes);
    assertPictureWithinLimits(header, { maxPixels, maxSidePx });
    const size = header.size && orientedSize(header.size, header.orientation);
    const { preprocessing, formats } = input;
    const encodedShape = input.isScalar ? [] : [1];
    if (!preprocessing && size && needsNoConversion(header, formats)) {
      return { tensor: { dtype: "BYTES", shape: encodedShape, elements: [bytes] }, size };
    }
    const startedMs = clock.nowMs();
    try {
      if (preprocessing && size) {
        return { tensor: await preprocess(bytes, preprocessing, decoding, call), size };
      }
      const converted = await convert(bytes, decoding, call);
      const tensor = preprocessing
        ? await preprocess(converted.bytes, preprocessing, decoding, call)
        : bytesTensor(encodedShape, [converted.bytes]);
      return { tensor, size: converted.size };
    } finally {
      call.times.add("decode", clock.nowMs() - startedMs);
    }
  };
}
