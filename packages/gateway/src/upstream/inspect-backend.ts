import {
  bytesTensor,
  type CallContext,
  type Clock,
  FailedPreconditionError,
  listedNames,
  ModelNotReadyError,
  type ModelSpec,
  type ResolvedModel,
  type ScoreResponse,
  ScoringError,
  type Signature,
  type Tensor,
  UnknownModelError,
  UpstreamAnsweredError,
  UpstreamFailedError,
  withDeadline,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ListModelsResponseSchema } from "@tensorgate/proto/tensorgate/v1/catalog";
import { type Dialect, namesByDialect } from "@tensorgate/tf-serving";
import { azureFpga, azureFpgaPreview } from "./dialects/azure-fpga.ts";
import { controlCall, readControlReply } from "./dialects/control-reply.ts";
import { dialectNamed } from "./dialects/dialects.ts";
import type { PredictDialect } from "./dialects/predict.ts";
import { tensorflowServing } from "./dialects/tensorflow-serving.ts";
import { channelDefaults, type ReplicaTlsOptions, type UpstreamKeyOptions } from "./options.ts";
import type { Replica } from "./replica.ts";
import {
  type NamedSignature,
  rankedSignatures,
  type SampleInput,
  sampleInput,
} from "./sample-input.ts";
import { testPicture } from "./test-picture.ts";
import { createCredentials } from "./transport/credentials.ts";
import { GrpcStatusError } from "./transport/failures.ts";
import {
  createUnaryChannel,
  type UnaryChannel,
  type UnaryReply,
} from "./transport/unary-channel.ts";

/** A backend to inspect. */
export interface BackendRequest {
  /** `host:port`. */
  readonly address: string;
  readonly tls?: ReplicaTlsOptions;
  readonly key?: UpstreamKeyOptions;
  /** Service by which a cluster routes to an FPGA container. */
  readonly service?: string;
  /** Detected by default. */
  readonly dialect?: Dialect;
  /** Names to try, in this order; servers do not list their models. FPGA containers ignore the name. */
  readonly models: readonly string[];
  /** Time limit of each call, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Dialect, model and tensors of a backend. */
export interface BackendCapabilities {
  readonly dialect: Dialect;
  /** Name of the model there; the first name to try if the backend has none. */
  readonly model: string;
  readonly versions: readonly bigint[];
  /** Whether it reports that its weights are random; results are meaningless then. */
  readonly isSeeded?: boolean;
  /** The one that was scored, as reported by the server; only stock servers report it. */
  readonly signature?: Signature;
  /** Name of that signature. */
  readonly signatureName?: string;
  /** Names of the other signatures that can be scored. */
  readonly otherSignatures?: readonly string[];
  /** JSON by which a model server of ours describes the model. */
  readonly manifest?: string;
  /** Wire name of the input that accepted the test picture. */
  readonly input?: string;
  /** Outputs for the test picture, or a tensor of zeros, by wire name. */
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Why scoring failed. */
  readonly failure?: ScoringError;
}

/** A model without a description: its tensors keep their wire names. */
const unknownModel: Omit<ResolvedModel, "name"> = {
  revision: "",
  wireNames: namesByDialect({ inputs: [], outputs: [] }),
  residency: undefined,
  isIdempotent: false,
  mayHedge: false,
  isCached: false,
};

/** Names of the picture input in FPGA containers, with their dialect. */
const containerInputs: readonly (readonly [string, PredictDialect])[] = [
  ["Placeholder:0", azureFpga],
  ["images", azureFpgaPreview],
  ["Placeholder_1:0", azureFpga],
  ["Placeholder_2:0", azureFpga],
  ["Placeholder_3:0", azureFpga],
  // So the embedded model server calls the picture of a model without family.
  ["images:0", azureFpga],
];

/**
 * Inspects a running backend: its dialect, the versions and signature of a model, and the outputs for a test picture.
 *
 * @throws ScoringError if the backend does not answer, or has none of the models
 * @throws SettingError if a file of `tls` or the key cannot be used
 */
export async function inspectBackend(request: BackendRequest): Promise<BackendCapabilities> {
  const { address, tls, key, service, timeoutMs, clock } = request;
  const dialect = request.dialect && dialectNamed(request.dialect);
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
    await assertNoGateway(channel, ask);
    if (!dialect?.isDevice) {
      const found = await inspectStock(connect(tensorflowServing), ask, request);
      if (found) return found;
    }
    return await inspectContainer(connect, ask, request);
  } finally {
    void channel.close();
  }
}

type Ask = <Answer>(work: (call: CallContext) => Promise<Answer>) => Promise<Answer>;

/** @throws FailedPreconditionError if it is a gateway, with its models */
async function assertNoGateway(channel: UnaryChannel, ask: Ask): Promise<void> {
  let reply: UnaryReply;
  try {
    reply = await ask((call) =>
      channel.unary("/tensorgate.v1.CatalogService/ListModels", [], controlCall(call)),
    );
  } catch (thrown) {
    const isAnswered = ScoringError.from(thrown).cause instanceof GrpcStatusError;
    if (thrown instanceof UpstreamFailedError && !isAnswered) throw thrown;
    return;
  }
  const { models } = readControlReply(ListModelsResponseSchema, reply);
  throw new FailedPreconditionError(
    `it is a gateway, which serves ${listedNames(models.map(({ name }) => `"${name}"`))}`,
    {
      hint: "attach a model server; the gateway of another region is the setting `gateway` of a pool",
    },
  );
}

/** Inspects a stock server. @returns undefined if it is none */
async function inspectStock(
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
      // FPGA containers have neither GetModelStatus nor GetModelMetadata.
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
  const { signatures } = await ask((call) => replica.modelMetadata(spec, call));
  // Other servers reject the question, each in its own way.
  const manifest = await ask(async (call) => replica.manifest?.(spec, call)).catch(() => undefined);
  const ranked = rankedSignatures(signatures);
  const scoredBy = (each: NamedSignature): BackendCapabilities => ({
    ...found,
    ...(manifest !== undefined && { manifest }),
    dialect: tensorflowServing.name,
    signature: each.signature,
    signatureName: each.name,
    otherSignatures: ranked.map(({ name }) => name).filter((name) => name !== each.name),
    outputs: new Map(),
  });
  let first: BackendCapabilities | undefined;
  for (const each of ranked) {
    const sample = sampleInput(each.signature);
    if (!sample) continue;
    const base = { ...scoredBy(each), input: sample.input };
    try {
      const signatureName = each.name;
      const sent = { modelSpec: { name: found.model, signatureName }, ...sample };
      const { outputs } = await scored(replica, ask, sent);
      return { ...base, outputs };
    } catch (thrown) {
      first ??= { ...base, failure: ScoringError.from(thrown) };
    }
  }
  if (first) return first;
  const failure = new FailedPreconditionError("the model does not take a single image");
  const [usual] = ranked;
  if (usual) return { ...scoredBy(usual), failure };
  return { ...found, dialect: tensorflowServing.name, outputs: new Map(), failure };
}

async function inspectContainer(
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
      const { outputs } = await scored(replica, ask, { modelSpec: { name: model }, input, tensor });
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

interface Sample extends SampleInput {
  readonly modelSpec: ModelSpec;
}

function scored(
  replica: Replica,
  ask: Ask,
  { modelSpec, input, tensor }: Sample,
): Promise<ScoreResponse> {
  const request = {
    modelSpec,
    model: { ...unknownModel, name: modelSpec.name },
    inputs: new Map([[input, tensor]]),
    outputFilter: [],
  };
  return ask((call) => replica.score(request, call));
}
