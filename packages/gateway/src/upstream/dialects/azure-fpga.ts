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
import { type DialectNames, predictRequestSegments } from "@tensorgate/tf-serving";
import { probeNote } from "../probe-note.ts";
import { type Replica, saysSeeded } from "../replica.ts";
import { GrpcStatusError } from "../transport/failures.ts";
import type { UnaryChannel } from "../transport/unary-channel.ts";
import { controlCall } from "./control-reply.ts";
import { assertNoVersion, type PredictDialect, predictPath, predictScore } from "./predict.ts";

/** Delay before a retry while an FPGA is flashed, in milliseconds; flashing takes minutes. */
const warmingRetryAfterMs = 1_000;

/** Message of the container for an unknown input. */
const nullReference = "Object reference not set to an instance of an object";

/** An FPGA container of 2019, which takes the names of tensors in the graph. */
export const azureFpga: PredictDialect = containerDialect({ name: "azure-fpga", isKeyBare: false });

/** An FPGA container of 2018, which takes aliases. */
export const azureFpgaPreview: PredictDialect = containerDialect({
  name: "azure-fpga-preview",
  isKeyBare: true,
});

/** Creates the dialect of a container that holds one model on an FPGA and has only `Predict`. */
function containerDialect(own: Pick<PredictDialect, "name" | "isKeyBare">): PredictDialect {
  const dialect: PredictDialect = {
    name: own.name,
    title: `an FPGA container, dialect ${own.name}`,
    isGateway: false,
    isDevice: true,
    hasVersions: false,
    namesModels: false,
    takesEncodedCalls: false,
    canReload: false,
    hasServices: true,
    isKeyBare: own.isKeyBare,
    // A cluster's front end routes by this header.
    route: ({ service }) =>
      service === undefined ? {} : { "x-ms-aml-grpc-service-route": `/api/v1/service/${service}` },
    connect: (channel) => containerReplica(channel, dialect),
  };
  return dialect;
}

const emptyRequest = predictRequestSegments({
  modelSpec: { name: "" },
  inputs: new Map(),
  outputFilter: [],
});

function containerReplica(channel: UnaryChannel, dialect: PredictDialect): Replica {
  // The container rejects a request without inputs: if it answers, it is up.
  const probe: Replica["probe"] = async (_model, call) => {
    const ready = (headers: HeaderBlock) => ({
      isReady: true,
      versions: [],
      isSeeded: saysSeeded(headers),
    });
    try {
      const reply = await channel.unary(predictPath, emptyRequest, controlCall(call));
      return ready(reply.headers);
    } catch (thrown) {
      const error = containerError(thrown);
      if (error instanceof ModelNotReadyError) {
        return { isReady: false, versions: [], note: probeNote(error) };
      }
      if (!isFromContainer(error)) throw error;
      const { cause } = error;
      return ready(cause instanceof GrpcStatusError ? cause.headers : {});
    }
  };

  return {
    roundTripMs: channel.roundTripMs,
    modelMetadata: async ({ name }) => {
      throw new NotSupportedError(
        `the FPGA container of model "${name}" does not report its tensors: the configuration must name its family, or describe its input`,
      );
    },

    // Its model has no versions, and answers as version 0.
    modelStatus: async (modelSpec, call) => {
      if (modelSpec.version !== 0n) assertNoVersion(modelSpec);
      const { isReady } = await probe(modelSpec.name, call);
      const state = isReady ? "available" : "loading";
      return { versions: [{ version: 0n, state, errorCode: 0, errorMessage: "" }] };
    },

    score: predictScore(channel, {
      dialect,
      failure: (thrown, request) =>
        isNullReference(thrown)
          ? unknownInput(request, request.model.wireNames[dialect.name])
          : containerError(thrown),
    }),

    probe,
  };
}

/** Translates a status: the device may be flashing, and a front end routes by a header. */
function containerError(thrown: unknown): ScoringError {
  const error = ScoringError.from(thrown);
  const { cause } = error;
  if (!(cause instanceof GrpcStatusError)) return error;
  switch (cause.code) {
    case grpcCode.UNAVAILABLE:
      // A 503 of a proxy is not about the device.
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

/** Codes of a front end, or of every call. */
const frontEndCodes: ReadonlySet<number> = new Set([
  grpcCode.UNIMPLEMENTED,
  grpcCode.UNAUTHENTICATED,
  grpcCode.PERMISSION_DENIED,
]);

function isFromContainer({ cause }: ScoringError): boolean {
  if (!(cause instanceof GrpcStatusError)) return false;
  return cause.httpStatus === undefined && !frontEndCodes.has(cause.code);
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
