import {
  bytesTensor,
  type CallContext,
  type Clock,
  FailedPreconditionError,
  InvalidRequestError,
  type ModelSpec,
  NotSupportedError,
  type Picture,
  type PictureRequest,
  type PictureResponse,
  type PictureResult,
  type Score,
  type ScoreResponse,
  ScoringError,
  type Tensor,
  TooLargeError,
  UnsupportedMediaError,
  UpstreamFailedError,
} from "@tensorgate/core";
import {
  assertPictureWithinLimits,
  type PreprocessElsewhere,
  readPictureHeader,
} from "@tensorgate/imaging";
import type { Releases } from "./catalog.ts";
import { mapConcurrently } from "./map-concurrently.ts";
import type { PictureOptions } from "./options.ts";
import type { PictureInput, Release } from "./release.ts";

/** What every task on pictures is made of. */
export interface PictureTaskParts {
  readonly known: Releases;
  readonly score: Score;
  /** Decodes what a model takes as pixels. */
  readonly preprocess: PreprocessElsewhere;
  readonly options: Required<PictureOptions>;
  readonly clock: Clock;
}

export interface PictureScoring<Value> {
  readonly release: Release;
  /** Output to read, and what its tensor of one picture means. */
  readonly output: string;
  readonly read: (tensor: Tensor) => Value;
}

/**
 * Scores each picture of a request by itself, several at a time, so that a bad one fails alone.
 *
 * A picture that the model decodes itself goes there in the buffer it came in: only its header is looked at.
 *
 * @throws InvalidRequestError if there is no picture, TooLargeError if there are too many
 */
export function pictureScorer({ score, preprocess, options, clock }: PictureTaskParts) {
  return async <Value>(
    { modelSpec, pictures }: PictureRequest,
    call: CallContext,
    scoring: PictureScoring<Value>,
  ): Promise<PictureResponse<Value>> => {
    const { picture: input } = scoring.release;
    if (!input) throw takesNoPicture(scoring.release);
    assertCount(pictures.length, options.maxPictures);

    const answers = await mapConcurrently(pictures, options.maxConcurrentPictures, (picture) =>
      scoreOne(picture, { input, modelSpec, call, scoring }),
    );
    const answered = answers.find((answer) => answer.response)?.response;
    return {
      ...(answered && { model: answered.model }),
      ...(answered?.region !== undefined && { region: answered.region }),
      results: answers.map(({ result }) => result),
    };
  };

  interface OnePicture<Value> {
    readonly input: PictureInput;
    readonly modelSpec: ModelSpec;
    readonly call: CallContext;
    readonly scoring: PictureScoring<Value>;
  }

  /** @returns the picture as it is, BYTES `[1]`, or its pixels, FP32 `[1, heightPx, widthPx, 3]` */
  async function tensorOf(
    bytes: Uint8Array,
    { preprocessing }: PictureInput,
    { signal, times }: CallContext,
  ): Promise<Tensor> {
    if (!preprocessing) return bytesTensor([1], [bytes]);
    const startedMs = clock.nowMs();
    try {
      return await preprocess(bytes, preprocessing, { maxPixels: options.maxPixels }, signal);
    } finally {
      times.add("decode", clock.nowMs() - startedMs);
    }
  }

  async function scoreOne<Value>(
    { id, bytes }: Picture,
    { input, modelSpec, call, scoring }: OnePicture<Value>,
  ): Promise<{ readonly result: PictureResult<Value>; readonly response?: ScoreResponse }> {
    const tag = id === undefined ? {} : { id };
    try {
      assertModelCanDecode(bytes, input, options.maxPixels);
      const response = await score(
        {
          modelSpec,
          inputs: new Map([[input.tensor, await tensorOf(bytes, input, call)]]),
          outputFilter: [scoring.output],
        },
        call,
      );
      const value = scoring.read(outputNamed(scoring.output, response));
      return { response, result: { ...tag, ok: true, value } };
    } catch (thrown) {
      // The call itself is over: there is nobody to tell of single pictures.
      if (call.signal.aborted) throw call.signal.reason;
      return { result: { ...tag, ok: false, error: ScoringError.from(thrown) } };
    }
  }
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
      hint: "send them in several calls",
    });
  }
}

/** A picture that its model cannot read is refused here, where the error can say what to send instead. */
function assertModelCanDecode(bytes: Uint8Array, input: PictureInput, maxPixels: number): void {
  const header = readPictureHeader(bytes);
  assertPictureWithinLimits(header, { maxPixels });
  if (input.formats.has(header.format)) return;
  throw new UnsupportedMediaError(`the model cannot decode ${header.format} pictures`, {
    hint: `send ${[...input.formats].join(", ")}`,
  });
}

/** Where a reply has a single output it is the one meant, whatever it is called. */
function outputNamed(name: string, { outputs }: ScoreResponse): Tensor {
  const [only] = outputs.values();
  const tensor = outputs.get(name) ?? (outputs.size === 1 ? only : undefined);
  if (tensor) return tensor;
  throw new NotSupportedError(`the model's reply has no output "${name}"`, {
    hint: `it has ${[...outputs.keys()].join(", ") || "none"}`,
  });
}

/** @throws UpstreamFailedError if `tensor` is not FP32 with a batch of one along its first axis */
export function assertOneRow(tensor: Tensor, what: string): void {
  if (tensor.dtype === "FP32" && (tensor.shape.length < 2 || tensor.shape[0] === 1)) return;
  throw new UpstreamFailedError(
    `the model's ${what} are ${tensor.dtype} of shape [${tensor.shape}], not FP32 of one picture`,
  );
}
