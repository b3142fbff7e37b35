import {
  bytesTensor,
  cutText,
  DeadlineExceededError,
  FailedPreconditionError,
  listedNames,
  ModelNotReadyError,
  ScoringError,
  UnknownModelError,
  UpstreamAnsweredError,
  UpstreamFailedError,
  withDeadline,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ListModelsResponseSchema } from "@tensorgate/proto/tensorgate/v1/catalog";
import {
  type Ask,
  type BackendCapabilities,
  type BackendRequest,
  backendKind,
  scored,
  scoredBySignature,
} from "./backend-capabilities.ts";
import { azureFpga, azureFpgaPreview } from "./dialects/azure-fpga.ts";
import { controlCall, readControlReply } from "./dialects/control-reply.ts";
import { dialectNamed } from "./dialects/dialects.ts";
import { openInference } from "./dialects/open-inference.ts";
import type { PredictDialect } from "./dialects/predict.ts";
import { tensorflowServing } from "./dialects/tensorflow-serving.ts";
import { inspectInference } from "./inspect-inference.ts";
import { channelDefaults } from "./options.ts";
import type { Replica } from "./replica.ts";
import { hintOfModels } from "./repository-index.ts";
import { testPicture } from "./sample-input.ts";
import { createCredentials } from "./transport/credentials.ts";
import { GrpcStatusError } from "./transport/failures.ts";
import {
  createUnaryChannel,
  type UnaryChannel,
  type UnaryReply,
} from "./transport/unary-channel.ts";

export type { BackendCapabilities, BackendRequest } from "./backend-capabilities.ts";

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

/** Longest that a server may take to say anything at all, in milliseconds: what it is asked first is no work. */
const maxSilenceMs = 5_000;

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
  const within =
    (limitMs: number): Ask =>
    (work) =>
      withDeadline(work, { requestId: "attach", timeoutMs: limitMs, clock });
  const ask = within(timeoutMs);
  const connect = (to: PredictDialect) =>
    to.connect(channel, { region: "", isExclusive: false, clock });
  try {
    await assertNoGateway(channel, within(Math.min(timeoutMs, maxSilenceMs)));
    const isAny = dialect === undefined;
    if (isAny || dialect === tensorflowServing) {
      const stock = { channel, replica: connect(tensorflowServing) };
      const found = await inspectStock(stock, ask, request);
      if (found) return found;
    }
    if (isAny || dialect === openInference) {
      const replica = connect(openInference);
      const found = await inspectInference({ channel, replica, ask }, request);
      if (found) return found;
    }
    return await inspectContainer(connect, ask, request);
  } finally {
    void channel.close();
  }
}

/**
 * @throws FailedPreconditionError if it is a gateway, with its models
 * @throws UpstreamFailedError if nothing answers
 */
async function assertNoGateway(channel: UnaryChannel, ask: Ask): Promise<void> {
  let reply: UnaryReply;
  try {
    reply = await ask((call) =>
      channel.unary("/tensorgate.v1.CatalogService/ListModels", [], controlCall(call)),
    );
  } catch (thrown) {
    if (thrown instanceof DeadlineExceededError) {
      throw new UpstreamFailedError("the port accepts connections and does not answer", {
        hint: "check that it is the gRPC port of a model server, and whether it needs TLS (https://)",
        cause: thrown,
      });
    }
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
  { channel, replica }: { readonly channel: UnaryChannel; readonly replica: Replica },
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
      const kind = backendKind(tensorflowServing);
      return await scoredBySignature(replica, ask, { ...kind, model, versions, isSeeded });
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
    { hint: await ask((call) => hintOfModels(channel, call)) },
  );
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
  let answered = "";
  for (const [input, of] of candidates) {
    try {
      const replica = connect(of);
      const { outputs } = await scored(replica, ask, { modelSpec: { name: model }, input, tensor });
      const { isSeeded = false } = await ask((call) => replica.probe(model, call));
      return { ...backendKind(of), model, versions: [], isSeeded, input, outputs };
    } catch (thrown) {
      const isOtherName =
        thrown instanceof UpstreamAnsweredError && thrown.grpcCode === grpcCode.INVALID_ARGUMENT;
      if (!isOtherName) throw thrown;
      answered = thrown.message;
    }
  }
  throw new FailedPreconditionError(
    `the container has no picture input named ${candidates.map(([name]) => name).join(", ")}; it answers: ${cutText(answered, 300)}`,
    {
      hint: "if it is no FPGA container, omit --dialect; otherwise set input.tensor in the configuration",
    },
  );
}
