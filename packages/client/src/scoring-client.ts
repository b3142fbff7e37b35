import { type Client, createClient } from "@connectrpc/connect";
import {
  type AnyCatalog,
  type CallOptions,
  type ClassifyOptions,
  checkedNames,
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
  withListJson,
  withMeta,
} from "@tensorgate/client-core";
import { type Detections, type LabelScore, type Outcome, scoreAll } from "@tensorgate/core";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "@tensorgate/proto/grpc/health/v1/health";
import { CatalogService } from "@tensorgate/proto/tensorgate/v1/catalog";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { detections, labelScore, modelInfo, unansweredError } from "./answers.ts";
import { type Connection, openConnection, type SharedResources } from "./connection.ts";
import { createStatusCalls, type StatusCalls } from "./gateway-status.ts";
import { modelSpecFrom } from "./model-spec.ts";
import type { ClientOptions } from "./options.ts";
import { type PictureInput, pictureBytes } from "./picture-input.ts";
import { tensorMessagesFrom, tensorOutputFrom } from "./tensor-message.ts";

const defaultConcurrency = 8;

/**
 * Scores pictures and tensors at a Tensorgate gateway.
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
  /** The state of the gateway, its regions and its replicas. */
  readonly status: StatusCalls;
  readonly #options: ClientOptions;
  readonly #connection: Connection;
  readonly #scoring: Client<typeof ScoringService>;
  readonly #health: Client<typeof Health>;

  /** @throws InvalidRequestError if `baseUrl` is not an http or https URL */
  constructor(options: ClientOptions = {}, shared?: SharedResources) {
    this.#options = options;
    this.#connection = openConnection(options, shared);
    const { transport, call } = this.#connection;
    this.#scoring = createClient(ScoringService, transport);
    this.#health = createClient(Health, transport);
    this.status = createStatusCalls(this.#connection);
    const catalog = createClient(CatalogService, transport);
    this.models = {
      list: async (callOptions = {}) => {
        const { message, meta } = await call({
          method: "models.list",
          options: callOptions,
          send: (sent) => catalog.listModels({}, sent),
        });
        return withMeta(message.models.map(modelInfo), meta);
      },
      get: async (name, callOptions = {}) => {
        const { message, meta } = await call({
          method: "models.get",
          model: name,
          options: callOptions,
          send: async (sent) => {
            const { model, labels } = await catalog.getModel({ name }, sent);
            if (!model) throw unansweredError(undefined);
            return { ...modelInfo(model), labels };
          },
        });
        return withMeta(message, meta);
      },
    };
  }

  /** Returns the labels of a picture, best first. @throws ClientError */
  async classify<Name extends ModelNames<Catalog, "classify">>(
    model: Name,
    picture: PictureInput,
    options: ClassifyOptions = {},
  ): Promise<WithMeta<readonly LabelScore<LabelsOf<Catalog, Name>>[]>> {
    const { topK, minScore } = options;
    const { message, meta } = await this.#connection.call({
      method: "classify",
      model,
      options,
      prepare: async () => ({
        ...checkedNumbers({ topK, minScore }),
        ...(await pictureRequest(model, picture, options)),
      }),
      send: async (sent, request) => {
        const { results } = await this.#scoring.classify(request, sent);
        const outcome = results[0]?.outcome;
        if (outcome?.case !== "labels") throw unansweredError(outcome);
        return outcome.value.labels.map(labelScore<LabelsOf<Catalog, Name>>);
      },
    });
    return withMeta(message, meta);
  }

  /** Detects objects; returns boxes, best first, in pixels of the upright picture. @throws ClientError */
  async detect<Name extends ModelNames<Catalog, "detect">>(
    model: Name,
    picture: PictureInput,
    options: DetectOptions = {},
  ): Promise<WithMeta<Detections<LabelsOf<Catalog, Name>>>> {
    const { minScore, iouThreshold, maxCandidates, maxDetections } = options;
    const { message, meta } = await this.#connection.call({
      method: "detect",
      model,
      options,
      prepare: async () => ({
        ...checkedNumbers({ minScore, iouThreshold, maxCandidates, maxDetections }),
        ...(await pictureRequest(model, picture, options)),
      }),
      send: async (sent, request) => {
        const { results } = await this.#scoring.detect(request, sent);
        const outcome = results[0]?.outcome;
        if (outcome?.case !== "boxes") throw unansweredError(outcome);
        return detections<LabelsOf<Catalog, Name>>(outcome.value);
      },
    });
    return withMeta(message, meta);
  }

  /** Returns the features of a picture. @throws ClientError */
  async embed(
    model: ModelNames<Catalog, "embed">,
    picture: PictureInput,
    options: CallOptions = {},
  ): Promise<WithMeta<Float32Array>> {
    const { message, meta } = await this.#connection.call({
      method: "embed",
      model,
      options,
      prepare: () => pictureRequest(model, picture, options),
      send: async (sent, request) => {
        const { results } = await this.#scoring.embed(request, sent);
        const outcome = results[0]?.outcome;
        if (outcome?.case !== "features") throw unansweredError(outcome);
        return withListJson(Float32Array.from(outcome.value.values));
      },
    });
    return withMeta(message, meta);
  }

  /** Scores named tensors; returns named tensors. @throws ClientError */
  async predict(
    model: ModelNames<Catalog, "predict">,
    inputs: Readonly<Record<string, TensorInput>>,
    options: PredictOptions = {},
  ): Promise<WithMeta<Readonly<Record<string, TensorOutput>>>> {
    const { outputs = [], signature } = options;
    const { message, meta } = await this.#connection.call({
      method: "predict",
      model,
      options,
      prepare: async () => ({
        modelSpec: modelSpecFrom(model, options, signature),
        inputs: tensorMessagesFrom(inputs),
        outputFilter: checkedNames("outputs", outputs),
      }),
      send: (sent, request) => this.#scoring.predict(request, sent),
    });
    const tensors = Object.entries(message.outputs).map(
      ([name, tensor]) => [name, tensorOutputFrom(tensor)] as const,
    );
    return withMeta(Object.fromEntries(tensors), meta);
  }

  /**
   * Classifies many pictures; yields each outcome as soon as it is known, failures too. When `signal` aborts, it takes no
   * further pictures.
   */
  classifyAll<Input extends PictureInput, Name extends ModelNames<Catalog, "classify">>(
    model: Name,
    pictures: Iterable<Input> | AsyncIterable<Input>,
    options: ClassifyOptions & ManyOptions = {},
  ): AsyncGenerator<Outcome<Input, WithMeta<readonly LabelScore<LabelsOf<Catalog, Name>>[]>>> {
    return scoreEach(pictures, options, (picture, each) => this.classify(model, picture, each));
  }

  /** Detects objects in many pictures; yields each outcome as soon as it is known. */
  detectAll<Input extends PictureInput, Name extends ModelNames<Catalog, "detect">>(
    model: Name,
    pictures: Iterable<Input> | AsyncIterable<Input>,
    options: DetectOptions & ManyOptions = {},
  ): AsyncGenerator<Outcome<Input, WithMeta<Detections<LabelsOf<Catalog, Name>>>>> {
    return scoreEach(pictures, options, (picture, each) => this.detect(model, picture, each));
  }

  /** Embeds many pictures; yields each outcome as soon as it is known. */
  embedAll<Input extends PictureInput>(
    model: ModelNames<Catalog, "embed">,
    pictures: Iterable<Input> | AsyncIterable<Input>,
    options: CallOptions & ManyOptions = {},
  ): AsyncGenerator<Outcome<Input, WithMeta<Float32Array>>> {
    return scoreEach(pictures, options, (picture, each) => this.embed(model, picture, each));
  }

  /** Returns whether the gateway is ready. @throws ClientError if it does not respond */
  async health(options: CallOptions = {}): Promise<WithMeta<{ readonly isReady: boolean }>> {
    const { message, meta } = await this.#connection.call({
      method: "health",
      options,
      send: (sent) => this.#health.check({ service: "" }, sent),
    });
    return withMeta({ isReady: message.status === ServingStatus.SERVING }, meta);
  }

  /** Creates a client with other settings on the same connections. */
  with(options: Omit<ClientOptions, "baseUrl" | "transport">): ScoringClient<Catalog> {
    return new ScoringClient({ ...this.#options, ...options }, this.#connection.shared);
  }

  /** Closes the connections, for every client that shares them. */
  close(): void {
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

async function pictureRequest(model: string, picture: PictureInput, options: CallOptions) {
  const modelSpec = modelSpecFrom(model, options);
  const value = await pictureBytes(picture);
  return { modelSpec, pictures: [{ source: { case: "data" as const, value } }] };
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
