import {
  bytesPerElement,
  bytesTensor,
  type CallContext,
  type Clock,
  defaultSignature,
  elementCount,
  FailedPreconditionError,
  fixedSizeTensor,
  ModelNotReadyError,
  type ResolvedModel,
  type ScoreResponse,
  ScoringError,
  type Signature,
  type Tensor,
  UnknownModelError,
  UpstreamAnsweredError,
  withDeadline,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { type Dialect, namesByDialect } from "@tensorgate/tf-serving";
import { azureFpga, azureFpgaPreview } from "./dialects/azure-fpga.ts";
import { dialectNamed } from "./dialects/dialects.ts";
import type { PredictDialect } from "./dialects/predict.ts";
import { tensorflowServing } from "./dialects/tensorflow-serving.ts";
import { channelDefaults, type ReplicaTlsOptions, type UpstreamKeyOptions } from "./options.ts";
import type { Replica } from "./replica.ts";
import { testPicture } from "./test-picture.ts";
import { createCredentials } from "./transport/credentials.ts";
import { createUnaryChannel } from "./transport/unary-channel.ts";

/** Where a backend is, and what is known of it. */
export interface BackendRequest {
  /** `host:port`. */
  readonly address: string;
  readonly tls?: ReplicaTlsOptions;
  readonly key?: UpstreamKeyOptions;
  /** Service by which a cluster finds an FPGA's container. */
  readonly service?: string;
  /** Found out without it. */
  readonly dialect?: Dialect;
  /** Names to try, in this order; servers do not list their models. Not looked at by an FPGA's container. */
  readonly models: readonly string[];
  /** How long each question may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** What a backend turned out to be. */
export interface BackendCapabilities {
  readonly dialect: Dialect;
  /** Name by which it knows the model; the first of those to try where it knows none. */
  readonly model: string;
  readonly versions: readonly bigint[];
  /** Whether it says that its weights are random; its results are meaningless then. */
  readonly isSeeded?: boolean;
  /** What it takes and gives, by its own account; only stock servers tell. */
  readonly signature?: Signature;
  /** Name on the wire of the input that took the test picture. */
  readonly input?: string;
  /** What the test picture, or a tensor of zeros, gave; by the names on the wire. */
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Why there are no outputs. */
  readonly failure?: ScoringError;
}

/** Nothing is known of it: its tensors are called as it calls them. */
const unknownModel: Omit<ResolvedModel, "name"> = {
  revision: "",
  wireNames: namesByDialect({ inputs: [], outputs: [] }),
  residency: undefined,
  isIdempotent: false,
  mayHedge: false,
  isCached: false,
};

/** Names that an FPGA's container may have for the picture, with the dialect that has them. */
const containerInputs: readonly (readonly [string, PredictDialect])[] = [
  ["Placeholder:0", azureFpga],
  ["images", azureFpgaPreview],
  ["Placeholder_1:0", azureFpga],
  ["Placeholder_2:0", azureFpga],
  ["Placeholder_3:0", azureFpga],
];

/**
 * Asks a backend that runs already what it is: its dialect, a model's versions and signature, and what a test picture
 * gives.
 *
 * @throws ScoringError if nobody answers, or knows none of the models
 * @throws SettingError if a file of `tls` or the key cannot be used
 */
export async function inspectBackend(question: BackendRequest): Promise<BackendCapabilities> {
  const { address, tls, key, service, timeoutMs, clock } = question;
  const dialect = question.dialect && dialectNamed(question.dialect);
  const channel = createUnaryChannel({
    address,
    clock,
    settings: { ...channelDefaults, connectTimeoutMs: Math.min(timeoutMs, 5_000) },
    credentials: createCredentials(
      {
        tls,
        key,
        isKeyBare: dialect?.isKeyBare ?? false,
        headers: azureFpga.route({ region: "", service }),
      },
      "the backend",
    ),
  });
  const ask: Ask = (work) => withDeadline(work, { requestId: "attach", timeoutMs, clock });
  const connect = (to: PredictDialect) =>
    to.connect(channel, { region: "", isExclusive: false, clock });
  try {
    if (!dialect?.isDevice) {
      const found = await stockFindings(connect(tensorflowServing), ask, question);
      if (found) return found;
    }
    return await containerFindings(connect, ask, question);
  } finally {
    void channel.close();
  }
}

type Ask = <Answer>(work: (call: CallContext) => Promise<Answer>) => Promise<Answer>;

/** @returns undefined if it is no stock server */
async function stockFindings(
  replica: Replica,
  ask: Ask,
  { models, dialect }: BackendRequest,
): Promise<BackendCapabilities | undefined> {
  for (const model of models) {
    try {
      const {
        versions,
        isReady,
        isSeeded = false,
        note,
      } = await ask((call) => replica.probe(model, call));
      if (!isReady) {
        throw new ModelNotReadyError(`model "${model}" is not loaded yet`, {
          hint: note ? `retry when it is loaded: ${note.message}` : "retry when it is loaded",
        });
      }
      return await scoredByStock(replica, ask, { model, versions, isSeeded });
    } catch (thrown) {
      if (!(thrown instanceof UpstreamAnsweredError)) throw thrown;
      // An FPGA's container knows neither GetModelStatus nor GetModelMetadata.
      if (thrown.grpcCode === grpcCode.UNIMPLEMENTED && dialect === undefined) return undefined;
      if (thrown.grpcCode !== grpcCode.NOT_FOUND) throw thrown;
    }
  }
  const tried = models.map((name) => `"${name}"`);
  throw new UnknownModelError(
    tried.length > 3
      ? `the server has none of the ${tried.length} models ${tried.slice(0, 3).join(", ")}, …`
      : `the server has no model ${tried.join(", ")}`,
    {
      hint: "servers do not list their models; set --model",
    },
  );
}

interface StockModel {
  readonly model: string;
  readonly isSeeded: boolean;
  readonly versions: readonly bigint[];
}

async function scoredByStock(
  replica: Replica,
  ask: Ask,
  found: StockModel,
): Promise<BackendCapabilities> {
  const spec = { name: found.model };
  const signature = defaultSignature(await ask((call) => replica.modelMetadata(spec, call)));
  const base = {
    ...found,
    dialect: tensorflowServing.name,
    ...(signature && { signature }),
  };
  const sample = signature && sampleInput(signature);
  if (!sample) {
    const failure = new FailedPreconditionError("the model does not take a single image");
    return { ...base, outputs: new Map(), failure };
  }
  const { input, tensor } = sample;
  try {
    const { outputs } = await scored(replica, ask, { model: found.model, input, tensor });
    return { ...base, input, outputs };
  } catch (thrown) {
    return { ...base, input, outputs: new Map(), failure: ScoringError.from(thrown) };
  }
}

/** Most numbers that are sent to try a model that takes pixels: 64 MiB of them. */
const maxSampleElements = 16_777_216;

/** The test picture, or zeros where pixels are taken; undefined for a model that takes several things, or others. */
function sampleInput({ inputs }: Signature) {
  const [only, ...others] = inputs;
  if (!only || others.length > 0) return undefined;
  const [input, { dtype, shape }] = only;
  if (dtype === "BYTES") {
    const isScalar = shape?.length === 0;
    return { input, tensor: bytesTensor(isScalar ? [] : [1], [testPicture]) };
  }
  const [, ...rest] = shape ?? [];
  const isPlane = rest.length === 3 && rest.every((extent) => extent > 0 && extent <= 4_096);
  const isPixels = dtype === "FP32" || dtype === "FP16" || dtype === "UINT8";
  if (!isPixels || !isPlane || elementCount(rest) > maxSampleElements) return undefined;
  const zeros = new Uint8Array(elementCount(rest) * bytesPerElement[dtype]);
  return { input, tensor: fixedSizeTensor(dtype, [1, ...rest], zeros) };
}

async function containerFindings(
  connect: (dialect: PredictDialect) => Replica,
  ask: Ask,
  { models, dialect }: BackendRequest,
): Promise<BackendCapabilities> {
  const candidates = containerInputs.filter(
    ([, of]) => dialect === undefined || of === dialectNamed(dialect),
  );
  const tensor = bytesTensor([1], [testPicture]);
  const model = models[0] ?? "model";
  for (const [input, of] of candidates) {
    try {
      const replica = connect(of);
      const { outputs } = await scored(replica, ask, { model, input, tensor });
      const { isSeeded = false } = await ask((call) => replica.probe(model, call));
      return { dialect: of.name, model, versions: [], isSeeded, input, outputs };
    } catch (thrown) {
      const isOtherName =
        thrown instanceof UpstreamAnsweredError && thrown.grpcCode === grpcCode.INVALID_ARGUMENT;
      if (!isOtherName) throw thrown;
    }
  }
  throw new FailedPreconditionError(
    `the container has no picture input named ${candidates.map(([name]) => name).join(", ")}`,
    { hint: "set input.tensor in the configuration" },
  );
}

interface Sample {
  readonly model: string;
  readonly input: string;
  readonly tensor: Tensor;
}

function scored(
  replica: Replica,
  ask: Ask,
  { model, input, tensor }: Sample,
): Promise<ScoreResponse> {
  const request = {
    modelSpec: { name: model },
    model: { ...unknownModel, name: model },
    inputs: new Map([[input, tensor]]),
    outputFilter: [],
  };
  return ask((call) => replica.score(request, call));
}
