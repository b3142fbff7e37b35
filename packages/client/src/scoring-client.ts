import { type Client, createClient } from "@connectrpc/connect";
import {
  type DetectedBox,
  type Detections,
  errorByReason,
  type LabelScore,
  type RetryBudget,
  retryBudget,
  type ScoringError,
  shortestFloat32,
} from "@tensorgate/core";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "@tensorgate/proto/grpc/health/v1/health";
import {
  CatalogService,
  type ModelDescription as ModelMessage,
} from "@tensorgate/proto/tensorgate/v1/catalog";
import { type Failure, ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { type Call, caller } from "./caller.ts";
import { clientError } from "./client-error.ts";
import { modelSpecFrom } from "./model-spec.ts";
import {
  type CallOptions,
  type ClassifyOptions,
  type ClientOptions,
  clientDefaults,
  type DetectOptions,
  type PredictOptions,
} from "./options.ts";
import { type PictureInput, pictureBytes } from "./picture-input.ts";
import { type ResponseMeta, type WithMeta, withMeta } from "./response-meta.ts";
import { type Outcome, scoreAll } from "./score-all.ts";
import { systemClockAndRandom } from "./system-clock.ts";
import {
  type TensorInput,
  type TensorOutput,
  tensorMessageFrom,
  tensorOutputFrom,
} from "./tensor-input.ts";
import { type OpenTransport, openTransport } from "./transport.ts";

/** How many of many inputs are scored at the same time. */
export interface ManyOptions {
  /** @default 8 */
  readonly concurrency?: number;
}

/** A model as the catalog tells of it. */
export interface ModelInfo {
  readonly name: string;
  readonly task: string;
  readonly tasks: readonly string[];
  readonly versions: readonly bigint[];
  readonly regions: readonly string[];
  readonly labelCount: number;
  /** Only where one model was asked for. */
  readonly labels?: readonly string[];
  /** "seeded" ones give answers that mean nothing. */
  readonly weights: string;
  readonly family?: string;
}

/** What clients made from one another share. */
interface SharedParts {
  readonly opened: OpenTransport;
  readonly budget: RetryBudget;
}

const defaultConcurrency = 8;

/**
 * Scores pictures and tensors at a Tensorgate gateway.
 *
 * Nothing is sent before the first call. Failures are `ClientError`s; what may succeed again is tried again, within the
 * deadline and a share of all calls.
 */
export class ScoringClient implements AsyncDisposable {
  /** What the gateway can score. */
  readonly models: {
    list(options?: CallOptions): Promise<WithMeta<readonly ModelInfo[]>>;
    get(name: string, options?: CallOptions): Promise<WithMeta<ModelInfo>>;
  };
  readonly #options: ClientOptions;
  readonly #shared: SharedParts;
  readonly #call: Call;
  readonly #scoring: Client<typeof ScoringService>;
  readonly #health: Client<typeof Health>;

  /** @throws TypeError if `baseUrl` is no URL of HTTP */
  constructor(options: ClientOptions = {}, shared?: SharedParts) {
    const settings = { ...clientDefaults, ...withoutUndefined(options) };
    this.#options = options;
    this.#shared = shared ?? {
      opened: openTransport(settings.transport, baseUrlFrom(options.baseUrl)),
      budget: retryBudget(),
    };
    const { transport } = this.#shared.opened;
    this.#call = caller({
      apiKey: options.apiKey ?? process.env["TENSORGATE_API_KEY"],
      headers: options.headers ?? {},
      timeoutMs: settings.timeoutMs,
      deadlineMs: settings.deadlineMs,
      maxRetries: settings.maxRetries,
      onRetry: options.onRetry,
      budget: this.#shared.budget,
      clockAndRandom: options.clockAndRandom ?? systemClockAndRandom,
    });
    this.#scoring = createClient(ScoringService, transport);
    this.#health = createClient(Health, transport);
    const catalog = createClient(CatalogService, transport);
    this.models = {
      list: async (callOptions = {}) => {
        const { message, meta } = await this.#call({
          method: "models.list",
          options: callOptions,
          ask: (call) => catalog.listModels({}, call),
        });
        return withMeta(message.models.map(modelInfo), meta);
      },
      get: async (name, callOptions = {}) => {
        const { message, meta } = await this.#call({
          ...{ method: "models.get", model: name, options: callOptions },
          ask: (call) => catalog.getModel({ name }, call),
        });
        const info = modelInfo(message.model ?? ({ name } as ModelMessage));
        return withMeta({ ...info, labels: message.labels }, meta);
      },
    };
  }

  /** Labels of a picture, best first. @throws ClientError */
  async classify(
    model: string,
    picture: PictureInput,
    options: ClassifyOptions = {},
  ): Promise<WithMeta<readonly LabelScore[]>> {
    const { topK, minScore } = options;
    const selection = {
      ...(topK !== undefined && { topK }),
      ...(minScore !== undefined && { minScore }),
    };
    const { message, meta } = await this.#call({
      ...{ method: "classify", model, options },
      ask: async (call) =>
        this.#scoring.classify({ ...(await request(model, picture, options)), ...selection }, call),
    });
    const outcome = message.results[0]?.outcome;
    if (outcome?.case !== "labels") throw unanswered("classify", { model, meta, outcome });
    const labels = outcome.value.labels.map(labelScore);
    return withMeta(labels, meta);
  }

  /** Boxes around what is in a picture, best first, in pixels of the upright picture. @throws ClientError */
  async detect(
    model: string,
    picture: PictureInput,
    options: DetectOptions = {},
  ): Promise<WithMeta<Detections>> {
    const { minScore, iouThreshold, maxCandidates, maxDetections } = options;
    const selection = {
      ...(minScore !== undefined && { minScore }),
      ...(iouThreshold !== undefined && { iouThreshold }),
      ...(maxCandidates !== undefined && { maxCandidates }),
      ...(maxDetections !== undefined && { maxDetections }),
    };
    const { message, meta } = await this.#call({
      ...{ method: "detect", model, options },
      ask: async (call) =>
        this.#scoring.detect({ ...(await request(model, picture, options)), ...selection }, call),
    });
    const outcome = message.results[0]?.outcome;
    if (outcome?.case !== "boxes") throw unanswered("detect", { model, meta, outcome });
    const boxes = outcome.value.boxes.map(
      ({ index, label, score, box, normalized }): DetectedBox => ({
        ...labelScore({ index, label, score }),
        box: rectangle(box),
        normalized: rectangle(normalized),
      }),
    );
    const { width = 0, height = 0 } = outcome.value.image ?? {};
    return withMeta({ boxes, image: { width, height } }, meta);
  }

  /** The features of a picture. @throws ClientError */
  async embed(
    model: string,
    picture: PictureInput,
    options: CallOptions = {},
  ): Promise<WithMeta<Float32Array>> {
    const { message, meta } = await this.#call({
      ...{ method: "embed", model, options },
      ask: async (call) => this.#scoring.embed(await request(model, picture, options), call),
    });
    const outcome = message.results[0]?.outcome;
    if (outcome?.case !== "features") throw unanswered("embed", { model, meta, outcome });
    return withMeta(Float32Array.from(outcome.value.values), meta);
  }

  /** Named tensors in, named tensors out. @throws ClientError */
  async predict(
    model: string,
    inputs: Readonly<Record<string, TensorInput>>,
    options: PredictOptions = {},
  ): Promise<WithMeta<Readonly<Record<string, TensorOutput>>>> {
    const { outputs = [], signature } = options;
    const { message, meta } = await this.#call({
      ...{ method: "predict", model, options },
      ask: async (call) =>
        this.#scoring.predict(
          {
            modelSpec: modelSpecFrom(model, options, signature),
            inputs: Object.fromEntries(
              Object.entries(inputs).map(([name, tensor]) => [
                name,
                tensorMessageFrom(name, tensor),
              ]),
            ),
            outputFilter: [...outputs],
          },
          call,
        ),
    });
    const tensors = Object.entries(message.outputs).map(
      ([name, tensor]) => [name, tensorOutputFrom(tensor)] as const,
    );
    return withMeta(Object.fromEntries(tensors), meta);
  }

  /** Labels of many pictures, each as soon as it is known; those that fail are told in their place. */
  classifyAll<Input extends PictureInput>(
    model: string,
    pictures: Iterable<Input> | AsyncIterable<Input>,
    options: ClassifyOptions & ManyOptions = {},
  ): AsyncGenerator<Outcome<Input, WithMeta<readonly LabelScore[]>>> {
    return this.#all(pictures, options, (picture, each) => this.classify(model, picture, each));
  }

  /** Boxes of many pictures, each as soon as it is known. */
  detectAll<Input extends PictureInput>(
    model: string,
    pictures: Iterable<Input> | AsyncIterable<Input>,
    options: DetectOptions & ManyOptions = {},
  ): AsyncGenerator<Outcome<Input, WithMeta<Detections>>> {
    return this.#all(pictures, options, (picture, each) => this.detect(model, picture, each));
  }

  /** Features of many pictures, each as soon as it is known. */
  embedAll<Input extends PictureInput>(
    model: string,
    pictures: Iterable<Input> | AsyncIterable<Input>,
    options: CallOptions & ManyOptions = {},
  ): AsyncGenerator<Outcome<Input, WithMeta<Float32Array>>> {
    return this.#all(pictures, options, (picture, each) => this.embed(model, picture, each));
  }

  /** Whether the gateway may get calls. @throws ClientError if nobody answers */
  async health(options: CallOptions = {}): Promise<WithMeta<{ readonly isReady: boolean }>> {
    const { message, meta } = await this.#call({
      ...{ method: "health", options },
      ask: (call) => this.#health.check({ service: "" }, call),
    });
    return withMeta({ isReady: message.status === ServingStatus.SERVING }, meta);
  }

  /** A client with other settings, on the same connections. */
  with(options: Omit<ClientOptions, "baseUrl" | "transport">): ScoringClient {
    return new ScoringClient({ ...this.#options, ...options }, this.#shared);
  }

  /** Ends the connections that are kept open, for every client that shares them. */
  close(): void {
    this.#shared.opened.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #all<Input, Options extends CallOptions & ManyOptions, Value>(
    inputs: Iterable<Input> | AsyncIterable<Input>,
    options: Options,
    score: (input: Input, options: Options) => Promise<Value>,
  ): AsyncGenerator<Outcome<Input, Value>> {
    const { concurrency = defaultConcurrency, signal } = options;
    return scoreAll(inputs, concurrency, (input, left) =>
      score(input, { ...options, signal: signal ? AbortSignal.any([signal, left]) : left }),
    );
  }
}

async function request(model: string, picture: PictureInput, options: CallOptions) {
  const value = await pictureBytes(picture);
  return {
    modelSpec: modelSpecFrom(model, options),
    pictures: [{ source: { case: "data" as const, value } }],
  };
}

interface Unanswered {
  readonly model: string;
  readonly meta: ResponseMeta;
  readonly outcome: { readonly case: string | undefined; readonly value?: unknown } | undefined;
}

/** An answer without a result for the one picture that was sent. */
function unanswered(method: string, { model, meta, outcome }: Unanswered): ScoringError {
  const failure = outcome?.case === "error" ? (outcome.value as Failure) : undefined;
  const error = errorByReason(failure?.reason ?? "internal", {
    message: failure?.message ?? "the gateway's answer has no result",
    grpcCode: 2,
    ...(failure?.hint && { hint: failure.hint }),
  });
  const { requestId, attempts } = meta;
  return clientError(error, { method, model, requestId, attempts });
}

function rectangle(message: { x: number; y: number; width: number; height: number } | undefined) {
  const { x = 0, y = 0, width = 0, height = 0 } = message ?? {};
  return {
    x: shortestFloat32(x),
    y: shortestFloat32(y),
    width: shortestFloat32(width),
    height: shortestFloat32(height),
  };
}

/** Scores are float32 on the wire; as JSON has them they read the same by every protocol. */
function labelScore({ index, label, score }: LabelScore): LabelScore {
  return { index, label, score: shortestFloat32(score) };
}

function modelInfo({ family, ...message }: ModelMessage): ModelInfo {
  const { name, task, tasks, versions, regions, labelCount, weights } = message;
  const info = { name, task, tasks, versions, regions, labelCount, weights };
  return { ...info, ...(family && { family }) };
}

function baseUrlFrom(given: string | URL | undefined): URL {
  const text = String(given ?? process.env["TENSORGATE_URL"] ?? "http://127.0.0.1:8080");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw new TypeError(`baseUrl must be an http or https URL, got "${text}"`);
}

function withoutUndefined(options: ClientOptions): Partial<ClientOptions> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
