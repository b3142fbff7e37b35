import {
  listedNames,
  ModelNotReadyError,
  NotSupportedError,
  type ScoreRequest,
  ScoringError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
import { grpcCode, type HeaderBlock } from "@tensorgate/grpc";
import type { DialectNames } from "@tensorgate/tf-serving";
import { probeNote } from "../probe-note.ts";
import { type Replica, saysSeeded } from "../replica.ts";
import { GrpcStatusError } from "../transport/status-error.ts";
import type { UnaryChannel } from "../transport/unary-channel.ts";
import { controlCall } from "./control-reply.ts";
import { type PredictDialect, predict, predictScore } from "./predict.ts";

/** How long flashing an FPGA leaves callers to wait before they come again, in milliseconds; it takes minutes. */
const warmingRetryAfterMs = 1_000;

/** What the container says of an input that it does not know. */
const nullReference = "Object reference not set to an instance of an object";

/** An FPGA container of 2019, which takes the names of tensors in the graph. */
export const azureFpga: PredictDialect = containerDialect({ name: "azure-fpga", isKeyBare: false });

/** An FPGA container of 2018, which takes aliases. */
export const azureFpgaPreview: PredictDialect = containerDialect({
  name: "azure-fpga-preview",
  isKeyBare: true,
});

/** A container that holds one model on an FPGA: `Predict` is all it answers. */
function containerDialect(own: Pick<PredictDialect, "name" | "isKeyBare">): PredictDialect {
  const dialect: PredictDialect = {
    name: own.name,
    isGateway: false,
    isDevice: true,
    hasVersions: false,
    namesModels: false,
    takesEncodedCalls: false,
    canReload: false,
    hasServices: true,
    isKeyBare: own.isKeyBare,
    // How a cluster's front end finds the container.
    route: ({ service }) =>
      service === undefined ? {} : { "x-ms-aml-grpc-service-route": `/api/v1/service/${service}` },
    connect: (channel) => containerReplica(channel, dialect),
  };
  return dialect;
}

function containerReplica(channel: UnaryChannel, dialect: PredictDialect): Replica {
  const noSuchCall = async (): Promise<never> => {
    throw new NotSupportedError("an FPGA container supports only Predict");
  };

  return {
    roundTripMs: channel.roundTripMs,
    modelStatus: noSuchCall,
    modelMetadata: noSuchCall,

    score: predictScore(channel, {
      dialect,
      failure: (thrown, request) =>
        isNullReference(thrown)
          ? unknownInput(request, request.model.wireNames[dialect.name])
          : inItsWords(thrown),
    }),

    // A request without inputs is refused by the container itself: whoever refuses it is up.
    probe: async (_model, call) => {
      const empty = { modelSpec: { name: "" }, inputs: new Map(), outputFilter: [] };
      const ready = (headers: HeaderBlock) => ({
        isReady: true,
        versions: [],
        isSeeded: saysSeeded(headers),
      });
      try {
        const reply = await predict(channel, dialect, { request: empty, call: controlCall(call) });
        return ready(reply.headers);
      } catch (thrown) {
        const error = inItsWords(thrown);
        if (error instanceof ModelNotReadyError) {
          return { isReady: false, versions: [], note: probeNote(error) };
        }
        if (!isAnswerOfContainer(error)) throw error;
        const { cause } = error;
        return ready(cause instanceof GrpcStatusError ? cause.headers : {});
      }
    },
  };
}

/** What a status means where the device may be flashing, and where a front end finds the container by a header. */
function inItsWords(thrown: unknown): ScoringError {
  const error = ScoringError.from(thrown);
  const { cause } = error;
  if (!(cause instanceof GrpcStatusError)) return error;
  switch (cause.code) {
    case grpcCode.UNAVAILABLE:
      // A proxy's own 503 says nothing of the device.
      if (cause.httpStatus !== undefined) return error;
      return new ModelNotReadyError("the device is loading the model", {
        retryAfterMs: warmingRetryAfterMs,
        hint: "this takes minutes; other regions are tried meanwhile",
        cause,
      });
    case grpcCode.UNIMPLEMENTED:
      return new UpstreamFailedError("no container serves the model at the replica's address", {
        hint: "check `service` of the pool; the cluster routes by it",
        cause,
      });
    default:
      return error;
  }
}

function isNullReference(thrown: unknown): boolean {
  const { cause } = ScoringError.from(thrown);
  return cause instanceof GrpcStatusError && cause.message.includes(nullReference);
}

/** Codes that come from in front of the container, or that every call would get. */
const notOfContainer: ReadonlySet<number> = new Set([
  grpcCode.UNIMPLEMENTED,
  grpcCode.UNAUTHENTICATED,
  grpcCode.PERMISSION_DENIED,
]);

function isAnswerOfContainer({ cause }: ScoringError): boolean {
  if (!(cause instanceof GrpcStatusError)) return false;
  return cause.httpStatus === undefined && !notOfContainer.has(cause.code);
}

function unknownInput({ inputs }: ScoreRequest, names: DialectNames): UpstreamAnsweredError {
  const sent = listedNames([...inputs.keys()].map((name) => `"${names.inputs.get(name) ?? name}"`));
  const expected = [...new Set(names.inputs.values())].map((name) => `"${name}"`).join(", ");
  return new UpstreamAnsweredError(
    `the container rejected the inputs ${sent}`,
    grpcCode.INVALID_ARGUMENT,
    {
      hint: expected
        ? `expected ${expected}; if its graph uses another name such as Placeholder_1:0, set input.tensor of the model`
        : "set the model's input or family in the configuration",
    },
  );
}
