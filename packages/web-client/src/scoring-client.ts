import {
  type AnyCatalog,
  type CallOptions,
  type ClassifyOptions,
  checkedNumbers,
  type DetectOptions,
  type LabelsOf,
  type ManyOptions,
  type ModelInfo,
  type ModelNames,
  type PredictOptions,
  type TensorInput,
  type TensorOutput,
  type WithMeta,
} from "@tensorgate/client-core";
import { type Detections, type LabelScore, type Outcome, scoreAll } from "@tensorgate/core";
import { type Connection, openConnection } from "./connection.ts";
import { getModel, health, listModels } from "./models.ts";
import type { PictureOptions, WebClientOptions } from "./options.ts";
import type { PictureInput } from "./picture/picture-input.ts";
import { predict } from "./predict.ts";
import { classify, detect, embed } from "./scoring.ts";
import {
  type FrameOutcome,
  type MovingPicture,
  type StreamOptions,
  type StreamTask,
  type StreamValue,
  scoreStream,
} from "./video-stream.ts";

const defaultConcurrency = 4;

/**
 * Scores pictures and tensors at a Tensorgate gateway, from a page or a worker.
 *
 * Nothing is sent before the first call. Failures are `ClientError`s; retryable ones are retried within the deadline and
 * the retry budget.
 *
 * @typeParam Catalog - what `tensorgate types` wrote, so that names, tasks and labels are known at compile time
 */
export class ScoringClient<Catalog = AnyCatalog> implements AsyncDisposable {
  /** The models of the gateway. */
  readonly models: {
    list(options?: CallOptions): Promise<WithMeta<readonly ModelInfo[]>>;
    get(name: keyof Catalog & string, options?: CallOptions): Promise<WithMeta<ModelInfo>>;
  };
  readonly #connection: Connection;

  /** @throws InvalidRequestError if `baseUrl` is not an http or https URL; TypeError if every user could read the key */
  constructor(options: WebClientOptions | Connection = {}) {
    const connection = "call" in options ? options : openConnection(options);
    this.#connection = connection;
    this.models = {
      list: (callOptions) => listModels(connection, callOptions),
      get: (name, callOptions) => getModel(connection, name, callOptions),
    };
  }

  /** Returns the labels of a picture, best first. @throws ClientError */
  classify<Name extends ModelNames<Catalog, "classify">>(
    model: Name,
    picture: PictureInput,
    options?: ClassifyOptions & PictureOptions,
  ): Promise<WithMeta<readonly LabelScore<LabelsOf<Catalog, Name>>[]>> {
    return classify(this.#connection, model, picture, options);
  }

  /** Detects objects; returns boxes, best first, in pixels of the upright picture. @throws ClientError */
  detect<Name extends ModelNames<Catalog, "detect">>(
    model: Name,
    picture: PictureInput,
    options?: DetectOptions & PictureOptions,
  ): Promise<WithMeta<Detections<LabelsOf<Catalog, Name>>>> {
    return detect(this.#connection, model, picture, options);
  }

  /** Returns the features of a picture. @throws ClientError */
  embed(
    model: ModelNames<Catalog, "embed">,
    picture: PictureInput,
    options?: CallOptions & PictureOptions,
  ): Promise<WithMeta<Float32Array>> {
    return embed(this.#connection, model, picture, options);
  }

  /** Scores named tensors; returns named tensors. @throws ClientError */
  predict(
    model: ModelNames<Catalog, "predict">,
    inputs: Readonly<Record<string, TensorInput>>,
    options?: PredictOptions,
  ): Promise<WithMeta<Readonly<Record<string, TensorOutput>>>> {
    return predict(this.#connection, model, inputs, options);
  }

  /**
   * Classifies many pictures; yields each outcome as soon as it is known, failures too. When `signal` aborts, it takes no
   * further pictures.
   */
  classifyAll<Input extends PictureInput, Name extends ModelNames<Catalog, "classify">>(
    model: Name,
    pictures: Iterable<Input> | AsyncIterable<Input>,
    options: ClassifyOptions & PictureOptions & ManyOptions = {},
  ): AsyncGenerator<Outcome<Input, WithMeta<readonly LabelScore<LabelsOf<Catalog, Name>>[]>>> {
    return scoreEach(pictures, options, (picture, each) => this.classify(model, picture, each));
  }

  /** Detects objects in many pictures; yields each outcome as soon as it is known. */
  detectAll<Input extends PictureInput, Name extends ModelNames<Catalog, "detect">>(
    model: Name,
    pictures: Iterable<Input> | AsyncIterable<Input>,
    options: DetectOptions & PictureOptions & ManyOptions = {},
  ): AsyncGenerator<Outcome<Input, WithMeta<Detections<LabelsOf<Catalog, Name>>>>> {
    return scoreEach(pictures, options, (picture, each) => this.detect(model, picture, each));
  }

  /** Embeds many pictures; yields each outcome as soon as it is known. */
  embedAll<Input extends PictureInput>(
    model: ModelNames<Catalog, "embed">,
    pictures: Iterable<Input> | AsyncIterable<Input>,
    options: CallOptions & PictureOptions & ManyOptions = {},
  ): AsyncGenerator<Outcome<Input, WithMeta<Float32Array>>> {
    return scoreEach(pictures, options, (picture, each) => this.embed(model, picture, each));
  }

  /** Scores the frames of a video or a canvas, one in flight. @throws ClientError */
  stream<
    Name extends ModelNames<Catalog, "classify" | "detect">,
    Task extends StreamTask = "classify",
  >(
    model: Name,
    picture: MovingPicture,
    options?: StreamOptions<Task>,
  ): AsyncGenerator<FrameOutcome<StreamValue<LabelsOf<Catalog, Name>>[Task]>, void, undefined> {
    return scoreStream(this.#connection, model, picture, options);
  }

  /** Returns whether the gateway is ready. @throws ClientError if it does not respond */
  health(options?: CallOptions): Promise<WithMeta<{ readonly isReady: boolean }>> {
    return health(this.#connection, options);
  }

  /** Creates a client with other settings. */
  with(options: Omit<WebClientOptions, "baseUrl">): ScoringClient<Catalog> {
    return new ScoringClient(this.#connection.with(options));
  }

  /** Terminates the worker that makes pictures smaller, for every client that shares it. */
  close(): void {
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

function scoreEach<Input, Options extends CallOptions & ManyOptions, Value>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  options: Options,
  score: (input: Input, options: Options) => Promise<Value>,
): AsyncGenerator<Outcome<Input, Value>> {
  const { concurrency: wanted = defaultConcurrency, signal } = options;
  const { concurrency } = checkedNumbers({ concurrency: wanted });
  return scoreAll(inputs, { concurrency, signal }, (input, left) =>
    score(input, { ...options, signal: left }),
  );
}
