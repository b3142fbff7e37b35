import type {
  AnyCatalog,
  CallOptions,
  ClassifyOptions,
  DetectOptions,
  LabelsOf,
  ManyOptions,
  ModelInfo,
  ModelNames,
  PredictOptions,
  TensorInput,
  TensorOutput,
  WithMeta,
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
 * Nothing is sent before the first call. Failures are `ClientError`s; what may succeed again is tried again, within the
 * deadline and a share of all calls.
 *
 * @typeParam Catalog - what `tensorgate types` wrote, so that names, tasks and labels are known at compile time
 */
export class ScoringClient<Catalog = AnyCatalog> implements AsyncDisposable {
  /** What the gateway can score. */
  readonly models: {
    list(options?: CallOptions): Promise<WithMeta<readonly ModelInfo[]>>;
    get(name: keyof Catalog & string, options?: CallOptions): Promise<WithMeta<ModelInfo>>;
  };
  readonly #connection: Connection;

  /** @throws InvalidRequestError if `baseUrl` is no URL of HTTP; TypeError if a key would be readable by everybody */
  constructor(options: WebClientOptions | Connection = {}) {
    const connection = "call" in options ? options : openConnection(options);
    this.#connection = connection;
    this.models = {
      list: (callOptions) => listModels(connection, callOptions),
      get: (name, callOptions) => getModel(connection, name, callOptions),
    };
  }

  /** Labels of a picture, best first. @throws ClientError */
  classify<Name extends ModelNames<Catalog, "classify">>(
    model: Name,
    picture: PictureInput,
    options?: ClassifyOptions & PictureOptions,
  ): Promise<WithMeta<readonly LabelScore<LabelsOf<Catalog, Name>>[]>> {
    return classify(this.#connection, model, picture, options);
  }

  /** Boxes around what is in a picture, best first, in pixels of the upright picture. @throws ClientError */
  detect<Name extends ModelNames<Catalog, "detect">>(
    model: Name,
    picture: PictureInput,
    options?: DetectOptions & PictureOptions,
  ): Promise<WithMeta<Detections<LabelsOf<Catalog, Name>>>> {
    return detect(this.#connection, model, picture, options);
  }

  /** The features of a picture. @throws ClientError */
  embed(
    model: ModelNames<Catalog, "embed">,
    picture: PictureInput,
    options?: CallOptions & PictureOptions,
  ): Promise<WithMeta<Float32Array>> {
    return embed(this.#connection, model, picture, options);
  }

  /** Named tensors in, named tensors out. @throws ClientError */
  predict(
    model: ModelNames<Catalog, "predict">,
    inputs: Readonly<Record<string, TensorInput>>,
    options?: PredictOptions,
  ): Promise<WithMeta<Readonly<Record<string, TensorOutput>>>> {
    return predict(this.#connection, model, inputs, options);
  }

  /**
   * Labels of many pictures, each as soon as it is known; those that fail are told in their place. Once `signal` aborts,
   * no more are taken.
   */
  classifyAll<Input extends PictureInput, Name extends ModelNames<Catalog, "classify">>(
    model: Name,
    pictures: Iterable<Input> | AsyncIterable<Input>,
    options: ClassifyOptions & PictureOptions & ManyOptions = {},
  ): AsyncGenerator<Outcome<Input, WithMeta<readonly LabelScore<LabelsOf<Catalog, Name>>[]>>> {
    return all(pictures, options, (picture, each) => this.classify(model, picture, each));
  }

  /** Boxes of many pictures, each as soon as it is known. */
  detectAll<Input extends PictureInput, Name extends ModelNames<Catalog, "detect">>(
    model: Name,
    pictures: Iterable<Input> | AsyncIterable<Input>,
    options: DetectOptions & PictureOptions & ManyOptions = {},
  ): AsyncGenerator<Outcome<Input, WithMeta<Detections<LabelsOf<Catalog, Name>>>>> {
    return all(pictures, options, (picture, each) => this.detect(model, picture, each));
  }

  /** Features of many pictures, each as soon as it is known. */
  embedAll<Input extends PictureInput>(
    model: ModelNames<Catalog, "embed">,
    pictures: Iterable<Input> | AsyncIterable<Input>,
    options: CallOptions & PictureOptions & ManyOptions = {},
  ): AsyncGenerator<Outcome<Input, WithMeta<Float32Array>>> {
    return all(pictures, options, (picture, each) => this.embed(model, picture, each));
  }

  /** What a video or a canvas shows, frame by frame, one in flight. @throws ClientError */
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

  /** Whether the gateway may get calls. @throws ClientError if nobody answers */
  health(options?: CallOptions): Promise<WithMeta<{ readonly isReady: boolean }>> {
    return health(this.#connection, options);
  }

  /** A client with other settings. */
  with(options: Omit<WebClientOptions, "baseUrl">): ScoringClient<Catalog> {
    return new ScoringClient(this.#connection.with(options));
  }

  /** Ends the worker that makes pictures smaller, for every client made from this one. */
  close(): void {
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

function all<Input, Options extends CallOptions & ManyOptions, Value>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  options: Options,
  score: (input: Input, options: Options) => Promise<Value>,
): AsyncGenerator<Outcome<Input, Value>> {
  const { concurrency = defaultConcurrency, signal } = options;
  return scoreAll(inputs, { concurrency, signal }, (input, left) =>
    score(input, { ...options, signal: left }),
  );
}
