import {
  InvalidRequestError,
  listedNames,
  ModelNotReadyError,
  NotSupportedError,
  type ScoreRequest,
  ScoringError,
  UnknownVersionError,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
import { grpcCode, type HeaderBlock } from "@tensorgate/grpc";
import {
  createTensorBudget,
  type Dialect,
  type DialectNames,
  predictRequestSegments,
  scoreResponseFromPredictResponse,
  toCanonicalNames,
} from "@tensorgate/tf-serving";
import { probeNote } from "../probe-note.ts";
import { type Replica, saysSeeded } from "../replica.ts";
import { GrpcStatusError } from "../transport/status-error.ts";
import type { UnaryCall, UnaryChannel, UnaryReply } from "../transport/unary-channel.ts";
import { controlCall } from "./control-reply.ts";
import { predictPath, readReply, wireRequest } from "./predict-call.ts";

/** How a cluster's front end finds the container. */
export function serviceRoute(service: string): Readonly<Record<string, string>> {
  return { "x-ms-aml-grpc-service-route": `/api/v1/service/${service}` };
}

/** How long flashing an FPGA leaves callers to wait before they come again, in milliseconds; it takes minutes. */
const warmingRetryAfterMs = 1_000;

/** What the container says of an input that it does not know. */
const nullReference = "Object reference not set to an instance of an object";

/**
 * Speaks with a container that holds one model on an FPGA: `Predict` is all it answers, a request names no model,
 * and a reply brings every output.
 */
export function azureFpgaReplica(
  channel: UnaryChannel,
  dialect: Exclude<Dialect, "tensorflow-serving">,
): Replica {
  async function predict(request: ScoreRequest, call: UnaryCall): Promise<UnaryReply> {
    const { inputs } = request;
    const wire = { inputs, outputFilter: [], modelSpec: { name: "" } };
    try {
      return await channel.unary(predictPath, predictRequestSegments(wire), call);
    } catch (thrown) {
      throw inItsWords(ScoringError.from(thrown));
    }
  }

  const noSuchCall = async (): Promise<never> => {
    throw new NotSupportedError("an FPGA container answers nothing but Predict");
  };

  return {
    roundTripMs: channel.roundTripMs,
    expectedWaitMs: () => undefined,
    modelStatus: noSuchCall,
    modelMetadata: noSuchCall,

    score: async (request, call) => {
      assertNoVersion(request);
      const names = request.model.wireNames[dialect];
      const wire = wireRequest(request, names);
      const { message } = await predict(wire, call).catch((thrown: unknown) => {
        throw isNullReference(thrown) ? unknownInput(wire, names) : thrown;
      });
      return readReply(() => {
        const { name } = request.modelSpec;
        const budget = createTensorBudget(channel.replyLimits);
        const response = scoreResponseFromPredictResponse(message, { name }, budget);
        // Whatever it calls itself, and 0 for a version that it does not know.
        return {
          model: { name, version: response.model.version },
          outputs: toCanonicalNames(response.outputs, names),
        };
      });
    },

    // A request without inputs is refused by the container itself: whoever refuses it is up.
    probe: async (model, call) => {
      const empty = { modelSpec: { name: model }, inputs: new Map(), outputFilter: [] };
      const ready = (headers: HeaderBlock) => ({
        ...{ isReady: true, versions: [] },
        isSeeded: saysSeeded(headers),
      });
      try {
        return ready((await predict(empty, controlCall(call))).headers);
      } catch (thrown) {
        if (thrown instanceof ModelNotReadyError) {
          return { isReady: false, versions: [], note: probeNote(thrown) };
        }
        if (!isAnswerOfContainer(thrown)) throw thrown;
        const { cause } = ScoringError.from(thrown);
        return ready(cause instanceof GrpcStatusError ? cause.headers : {});
      }
    },
  };
}

/** What a status means where the device may be flashing, and where a front end finds the container by a header. */
function inItsWords(error: ScoringError): ScoringError {
  const { cause } = error;
  if (!(cause instanceof GrpcStatusError)) return error;
  switch (cause.code) {
    case grpcCode.UNAVAILABLE:
      // A proxy's own 503 says nothing of the device.
      if (cause.httpStatus !== undefined) return error;
      return new ModelNotReadyError("the model is being loaded onto its device", {
        retryAfterMs: warmingRetryAfterMs,
        hint: "that takes minutes; other regions are tried meanwhile",
        cause,
      });
    case grpcCode.UNIMPLEMENTED:
      return new UpstreamFailedError("nobody serves the model at the replica's address", {
        hint: "check `service` of the pool: a cluster finds the container by it",
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

function isAnswerOfContainer(thrown: unknown): boolean {
  const { cause } = ScoringError.from(thrown);
  if (!(cause instanceof GrpcStatusError)) return false;
  return cause.httpStatus === undefined && !notOfContainer.has(cause.code);
}

function unknownInput({ inputs }: ScoreRequest, names: DialectNames): UpstreamAnsweredError {
  const sent = listedNames([...inputs.keys()].map((name) => `"${name}"`));
  const expected = [...new Set(names.inputs.values())].map((name) => `"${name}"`).join(", ");
  return new UpstreamAnsweredError(
    `the container does not know the inputs that were sent: ${sent}`,
    grpcCode.INVALID_ARGUMENT,
    {
      hint: expected
        ? `expected ${expected}; where its graph has another name, such as Placeholder_1:0, say so in input.tensor of the model`
        : "describe the model's input, or give its family, in the configuration",
    },
  );
}

function assertNoVersion({ modelSpec: { name, version, versionLabel } }: ScoreRequest): void {
  if (name === "") throw new InvalidRequestError("the request names no model");
  if (version === undefined && versionLabel === undefined) return;
  throw new UnknownVersionError(
    `model "${name}" is in an FPGA container, which knows no versions`,
    { hint: "ask without a version" },
  );
}
