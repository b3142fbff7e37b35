import { create, toBinary } from "@bufbuild/protobuf";
import {
  type CallContext,
  createWorkBudget,
  type DialectNames,
  defaultSignatureName,
  InvalidRequestError,
  ModelNotReadyError,
  type ModelSpec,
  type ResolvedRequest,
  type ScoreResponse,
  ScoringError,
  type Tensor,
  UpstreamAnsweredError,
  UpstreamFailedError,
} from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { inferRequestSegments, readInferResponse } from "@tensorgate/open-inference";
import {
  GRPCInferenceService,
  ModelMetadataRequestSchema,
  ModelMetadataResponseSchema,
  ModelReadyRequestSchema,
  ModelReadyResponseSchema,
  ServerMetadataResponseSchema,
} from "@tensorgate/proto/inference/open_inference";
import { underServingNames } from "@tensorgate/tf-serving";
import { noteOf, type ProbeNote, probeNote } from "../probe-note.ts";
import type { Replica, ReplicaState } from "../replica.ts";
import { GrpcStatusError } from "../transport/failures.ts";
import type { UnaryChannel, UnaryReply } from "../transport/unary-channel.ts";
import { controlCall, listedVersions, readControlReply } from "./control-reply.ts";
import {
  askedVersion,
  assertOutputs,
  fittedInputs,
  type KnownModel,
  knownModel,
  numberedVersions,
  versionNumber,
} from "./open-inference-model.ts";
import { canonicalOutputs, filteredOutputs } from "./open-inference-outputs.ts";
import { askedOutputs, assertPredict, type PredictDialect, readReply } from "./predict.ts";

/** Servers of the Open Inference Protocol: Triton, MLServer, KServe, OpenVINO Model Server. */
export const openInference: PredictDialect = {
  name: "open-inference",
  title: "Open Inference Protocol",
  isGateway: false,
  isDevice: false,
  hasVersions: true,
  namesModels: true,
  takesEncodedCalls: false,
  canReload: false,
  hasServices: false,
  isKeyBare: false,
  route: () => ({}),
  connect: openInferenceReplica,
};

const methodPath = (method: string) => `/${GRPCInferenceService.typeName}/${method}`;

/** Models whose descriptions are remembered: a replica serves one or a few. */
const maxKnownModels = 256;

function openInferenceReplica(channel: UnaryChannel): Replica {
  /** What the server said last of each model, without a version. */
  const knownModels = new Map<string, KnownModel>();
  let serverName: string | undefined;

  async function isReady(name: string, call: CallContext): Promise<true | ProbeNote> {
    const request = toBinary(ModelReadyRequestSchema, create(ModelReadyRequestSchema, { name }));
    try {
      const reply = await channel.unary(methodPath("ModelReady"), [request], controlCall(call));
      const { ready } = readControlReply(ModelReadyResponseSchema, reply);
      return ready || noteOf("ModelReady: the model is not ready");
    } catch (thrown) {
      // MLServer says UNKNOWN of a model that it does not have.
      if (statusOf(thrown) !== grpcCode.UNKNOWN) throw thrown;
      return probeNote(thrown);
    }
  }

  async function askMetadata(name: string, version: string, call: CallContext) {
    const request = create(ModelMetadataRequestSchema, { name, version });
    const reply = await channel.unary(
      methodPath("ModelMetadata"),
      [toBinary(ModelMetadataRequestSchema, request)],
      controlCall(call),
    );
    const found = knownModel(readControlReply(ModelMetadataResponseSchema, reply));
    if (version !== "") return found;
    if (knownModels.size >= maxKnownModels) knownModels.clear();
    knownModels.set(name, found);
    return found;
  }

  /** Asks once what the server is; one that does not say is none of those that are known. */
  async function askServerName(call: CallContext): Promise<void> {
    if (serverName !== undefined) return;
    try {
      const reply = await channel.unary(methodPath("ServerMetadata"), [], controlCall(call));
      serverName = readControlReply(ServerMetadataResponseSchema, reply).name;
    } catch (thrown) {
      if (!isAnswered(thrown)) throw thrown;
      serverName = "";
    }
  }

  async function describe(modelSpec: ModelSpec, call: CallContext) {
    const version = askedVersion(modelSpec, knownModels.get(modelSpec.name));
    const found = await askMetadata(modelSpec.name, version, call);
    const [highest = 0n] = numberedVersions(found).toSorted((a, b) => (a > b ? -1 : 1));
    return { found, version: modelSpec.version ?? highest };
  }

  function prepared(request: ResolvedRequest, call: CallContext): PreparedCall {
    const { modelSpec, model, encoded, outputFilter } = request;
    if (encoded) assertPredict(encoded, "a server of the Open Inference Protocol");
    assertNoSignature(modelSpec);
    const names = model.wireNames["open-inference"];
    const known = knownModels.get(modelSpec.name);
    const outputs = outputFilter.map((name) => names.outputs.get(name) ?? name);
    const named = wireInputs(request, names);
    const modelVersion = askedVersion(modelSpec, known);
    if (known) assertOutputs(outputs, known);
    const inputs = known
      ? fittedInputs(named, known, {
          encodedInput:
            model.encodedInput && (names.inputs.get(model.encodedInput) ?? model.encodedInput),
          mayOmitInputs: serverName === "triton",
        })
      : named;
    const { requestId: id } = call;
    const segments = inferRequestSegments({
      modelName: modelSpec.name,
      modelVersion,
      id,
      inputs,
      outputs,
      ...(request.parameters && { parameters: request.parameters }),
    });
    return { segments, names, known };
  }

  function responseFrom(
    { message }: UnaryReply,
    { modelSpec, outputFilter }: ResolvedRequest,
    { names, known }: PreparedCall,
  ): ScoreResponse {
    const { modelVersion, outputs } = readReply(() =>
      readInferResponse(message, createWorkBudget(channel.replyLimits.maxElements)),
    );
    const all = canonicalOutputs(outputs, names);
    return {
      model: {
        name: modelSpec.name,
        version: versionNumber(modelVersion) ?? modelSpec.version ?? 0n,
      },
      outputs: outputFilter.length > 0 ? filteredOutputs(all, outputFilter, known) : all,
    };
  }

  return {
    roundTripMs: channel.roundTripMs,

    probe: async (model, call) => {
      const ready = await isReady(model, call);
      if (ready !== true) return { isReady: false, versions: [], note: ready };
      try {
        await askServerName(call);
        return readyState(await askMetadata(model, "", call));
      } catch (thrown) {
        // Without metadata requests are sent unchecked. Without an answer the server is lost.
        if (!isAnswered(thrown)) throw thrown;
        const note = noteOf("ready; ModelMetadata failed", probeNote(thrown).detail);
        return { isReady: true, versions: [], hasUnknownVersions: true, note };
      }
    },

    score: async (request, call) => {
      const sent = prepared(request, call);
      let reply: UnaryReply;
      try {
        reply = await channel.unary(methodPath("ModelInfer"), sent.segments, call);
      } catch (thrown) {
        throw scoringFailure(thrown, request.modelSpec);
      }
      const { hasWireNames = false, model } = request;
      const response = responseFrom(
        reply,
        hasWireNames ? { ...request, outputFilter: [] } : request,
        sent,
      );
      request.verify?.(response.outputs);
      if (!hasWireNames) return response;
      const named = underServingNames(response, model);
      return { ...named, outputs: askedOutputs(named.outputs, request) };
    },

    modelMetadata: async (modelSpec, call) => {
      const { found, version } = await describe(modelSpec, call);
      const { signature } = found;
      return {
        model: { name: modelSpec.name, version },
        signatures: new Map(signature.outputs.size > 0 ? [[defaultSignatureName, signature]] : []),
      };
    },

    modelStatus: async (modelSpec, call) => {
      const { name, version } = modelSpec;
      const ready = await isReady(name, call);
      const { found } = await describe(modelSpec, call);
      const listed = version === undefined ? numberedVersions(found) : [version];
      const state = ready === true ? ("available" as const) : ("loading" as const);
      return {
        versions: (listed.length > 0 ? listed : [0n]).map((each) => ({
          version: each,
          state,
          errorCode: 0,
          errorMessage: "",
        })),
      };
    },
  };
}

interface PreparedCall {
  readonly segments: readonly Uint8Array[];
  readonly names: DialectNames;
  /** Undefined if the server has not described the model. */
  readonly known: KnownModel | undefined;
}

function readyState(known: KnownModel): ReplicaState {
  const versions = numberedVersions(known);
  // Versions may be any texts: a call may name one that is not a number by a label.
  if (known.versions.length > versions.length && versions.length === 0) {
    return { isReady: true, versions, hasUnknownVersions: true };
  }
  return { isReady: true, ...listedVersions(versions) };
}

/** @throws InvalidRequestError if a signature is named: the protocol has none */
function assertNoSignature({ name, signatureName = "" }: ModelSpec): void {
  if (signatureName === "" || signatureName === defaultSignatureName) return;
  throw new InvalidRequestError(`model "${name}" has no signature "${signatureName}"`, {
    hint: "models of the Open Inference Protocol have no signatures; omit it",
  });
}

function wireInputs({ inputs }: ResolvedRequest, names: DialectNames): ReadonlyMap<string, Tensor> {
  return new Map([...inputs].map(([name, tensor]) => [names.inputs.get(name) ?? name, tensor]));
}

/** gRPC's code of a failure; undefined if the server has not answered in gRPC. */
function statusOf(thrown: unknown): number | undefined {
  const { cause } = ScoringError.from(thrown);
  if (!(cause instanceof GrpcStatusError) || cause.httpStatus !== undefined) return undefined;
  return cause.code;
}

/** Whether the server has answered, though not as it should. */
function isAnswered(thrown: unknown): boolean {
  if (statusOf(thrown) !== undefined) return true;
  return thrown instanceof UpstreamFailedError && !thrown.wasLost;
}

/** A model that the gateway knows, and the server does not have any more, is no mistake of the request. */
function scoringFailure(thrown: unknown, { name, version, versionLabel }: ModelSpec): unknown {
  const isNotFound =
    thrown instanceof UpstreamAnsweredError && thrown.grpcCode === grpcCode.NOT_FOUND;
  if (!isNotFound || version !== undefined || versionLabel !== undefined) return thrown;
  return new ModelNotReadyError(`the replica does not have model "${name}" any more`, {
    cause: thrown,
  });
}
