import { create, toBinary } from "@bufbuild/protobuf";
import {
  type CallContext,
  defaultSignatureName,
  type ModelMetadata,
  ModelNotReadyError,
  type ModelSpec,
  type ModelStatus,
  ScoringError,
  scoredSignatureNames,
  UpstreamAnsweredError,
  type VersionStatus,
} from "@tensorgate/core";
import { grpcCode, knownGrpcCode } from "@tensorgate/grpc";
import { GetModelMetadataRequestSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import {
  GetModelStatusRequestSchema,
  GetModelStatusResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import {
  ReloadConfigRequestSchema,
  ReloadConfigResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/model_management";
import {
  manifestField,
  modelMetadataFromResponse,
  modelSpecMessage,
  modelStatusFromResponse,
  stateName,
} from "@tensorgate/tf-serving";
import { noteOf, probeNote } from "../probe-note.ts";
import { type ModelSource, type Replica, type ReplicaState, saysSeeded } from "../replica.ts";
import { GrpcStatusError } from "../transport/failures.ts";
import type { UnaryChannel } from "../transport/unary-channel.ts";
import {
  controlCall,
  listedVersions,
  readControlReply,
  readMetadataReply,
} from "./control-reply.ts";
import { type PredictDialect, predictScore } from "./predict.ts";

/** Stock TensorFlow Serving, and servers with its API. */
export const tensorflowServing: PredictDialect = {
  name: "tensorflow-serving",
  title: "TensorFlow Serving",
  isGateway: false,
  isDevice: false,
  hasVersions: true,
  namesModels: true,
  takesEncodedCalls: true,
  canReload: true,
  hasServices: false,
  isKeyBare: false,
  route: () => ({}),
  connect: (channel, { isExclusive }) => tensorflowServingReplica(channel, isExclusive),
};

/**
 * Speaks TensorFlow Serving's `Predict`, `GetModelStatus` and `GetModelMetadata` over `channel`.
 *
 * @param isExclusive - whether it is a device that holds one model at a time: if it does not have the model, neither the
 *   device nor the request is at fault. Another gateway may have swapped it, and the call is retried elsewhere
 */
function tensorflowServingReplica(channel: UnaryChannel, isExclusive: boolean): Replica {
  const failure = isExclusive ? asNotReady : (thrown: unknown) => thrown;
  const onlySignatures = new Map<string, string>();

  /** Remembers the signature of a model without `serving_default`, if its latest version has one other that scores. */
  function updateOnlySignature(
    { name, version, versionLabel }: ModelSpec,
    { signatures }: ModelMetadata,
  ): void {
    if (version !== undefined || versionLabel !== undefined) return;
    const [only, ...others] = scoredSignatureNames(signatures);
    const isOnly = !signatures.has(defaultSignatureName) && others.length === 0;
    if (only !== undefined && isOnly) onlySignatures.set(name, only);
    else onlySignatures.delete(name);
  }

  async function askStatus(modelSpec: ModelSpec, call: CallContext) {
    const request = create(GetModelStatusRequestSchema, { modelSpec: modelSpecMessage(modelSpec) });
    const reply = await channel.unary(
      "/tensorflow.serving.ModelService/GetModelStatus",
      [toBinary(GetModelStatusRequestSchema, request)],
      controlCall(call),
    );
    const status = modelStatusFromResponse(readControlReply(GetModelStatusResponseSchema, reply));
    return { status, headers: reply.headers };
  }

  async function askMetadata(
    modelSpec: ModelSpec,
    call: CallContext,
    field: string,
  ): Promise<ModelMetadata> {
    const request = create(GetModelMetadataRequestSchema, {
      modelSpec: modelSpecMessage(modelSpec),
      metadataField: [field],
    });
    try {
      const reply = await channel.unary(
        "/tensorflow.serving.PredictionService/GetModelMetadata",
        [toBinary(GetModelMetadataRequestSchema, request)],
        controlCall(call),
      );
      return modelMetadataFromResponse(readMetadataReply(reply));
    } catch (thrown) {
      throw failure(thrown, modelSpec.name);
    }
  }

  return {
    roundTripMs: channel.roundTripMs,
    modelStatus: async (modelSpec, call) => (await askStatus(modelSpec, call)).status,

    probe: async (model, call) => {
      try {
        const { status, headers } = await askStatus({ name: model }, call);
        return { ...stateFrom(status), isSeeded: saysSeeded(headers) };
      } catch (thrown) {
        if (isExclusive && isNotFound(thrown)) {
          return { isReady: false, versions: [], note: probeNote(thrown) };
        }
        if (!lacksMethod(thrown)) throw thrown;
        const note = noteOf("GetModelStatus: UNIMPLEMENTED, assumed ready");
        return { isReady: true, versions: [], hasUnknownVersions: true, note };
      }
    },

    score: predictScore(channel, {
      dialect: tensorflowServing,
      failure: (thrown, { modelSpec }) => failure(thrown, modelSpec.name),
      onlySignatures,
    }),

    modelMetadata: async (modelSpec, call) => {
      const metadata = await askMetadata(modelSpec, call, "signature_def");
      updateOnlySignature(modelSpec, metadata);
      return metadata;
    },

    manifest: async (modelSpec, call) =>
      (await askMetadata(modelSpec, call, manifestField)).manifest,

    reload: async (models, call) => {
      const reply = await channel.unary(
        "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
        [toBinary(ReloadConfigRequestSchema, reloadMessage(models))],
        controlCall(call),
      );
      const { status } = readControlReply(ReloadConfigResponseSchema, reply);
      // A stock server fails the call instead; others report here which model could not be loaded.
      if (status && status.errorCode !== 0) {
        const code = knownGrpcCode(status.errorCode);
        throw new UpstreamAnsweredError(status.errorMessage, code);
      }
    },
  };
}

/** Distinguishes a missing model from a missing signature or output, which the request caused. */
const isServableMissing = /^Servable not found for request/;

function asNotReady(thrown: unknown, model: string): unknown {
  if (!isNotFound(thrown) || !isServableMissing.test(thrown.message)) return thrown;
  return new ModelNotReadyError(`no asked device holds model "${model}"`, {
    cause: thrown,
  });
}

function isNotFound(thrown: unknown): thrown is UpstreamAnsweredError {
  return thrown instanceof UpstreamAnsweredError && thrown.grpcCode === grpcCode.NOT_FOUND;
}

/** Returns whether a gRPC server has no such method: some gateways and custom servers have only `Predict`. */
function lacksMethod(thrown: unknown): boolean {
  const { cause } = ScoringError.from(thrown);
  if (!(cause instanceof GrpcStatusError)) return false;
  return cause.code === grpcCode.UNIMPLEMENTED && cause.httpStatus === undefined;
}

function stateFrom({ versions: all }: ModelStatus): ReplicaState {
  const available = all.filter(({ state }) => state === "available");
  if (available.length === 0) {
    return { isReady: false, versions: [], note: noteOf(statesText(all)) };
  }
  return { isReady: true, ...listedVersions(available.map(({ version }) => version)) };
}

/** Versions whose states a message lists. */
const maxListedVersions = 4;

function statesText(all: readonly VersionStatus[]): string {
  if (all.length === 0) return "GetModelStatus lists no version";
  const listed = all.slice(0, maxListedVersions).map(({ version, state }) => {
    return `version ${version} is ${stateName(state)}`;
  });
  const restCount = all.length - listed.length;
  return restCount > 0 ? `${listed.join(", ")} and ${restCount} more` : listed.join(", ");
}

/** What a stock server serves of a model: just this version, whatever others its folder has. */
function specificVersion(version: bigint) {
  return { policyChoice: { case: "specific" as const, value: { versions: [version] } } };
}

function reloadMessage(models: readonly ModelSource[]) {
  // A stock server rejects a list without a platform, and has only this one.
  const config = models.map(({ name, basePath, version }) => ({
    name,
    basePath,
    modelPlatform: "tensorflow",
    ...(version !== undefined && { modelVersionPolicy: specificVersion(version) }),
  }));
  return create(ReloadConfigRequestSchema, {
    config: { config: { case: "modelConfigList", value: { config } } },
  });
}
