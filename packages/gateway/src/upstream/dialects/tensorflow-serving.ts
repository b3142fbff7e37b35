import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type CallContext,
  type ModelSpec,
  type Score,
  UpstreamFailedError,
} from "@tensorgate/core";
import {
  GetModelMetadataRequestSchema,
  type GetModelMetadataResponse,
  GetModelMetadataResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import {
  GetModelStatusRequestSchema,
  type GetModelStatusResponse,
  GetModelStatusResponseSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { predictRequestSegments, scoreResponseFromPredictResponse } from "@tensorgate/tf-serving";
import type { UnaryChannel } from "../transport/unary-channel.ts";

/** What can be asked of a replica that speaks TensorFlow Serving's own API. */
export interface TensorflowServingReplica {
  readonly score: Score;
  readonly modelStatus: (
    modelSpec: ModelSpec,
    call: CallContext,
  ) => Promise<GetModelStatusResponse>;
  readonly modelMetadata: (
    modelSpec: ModelSpec,
    call: CallContext,
  ) => Promise<GetModelMetadataResponse>;
}

/** Speaks TensorFlow Serving's `Predict`, `GetModelStatus` and `GetModelMetadata` over `channel`. */
export function tensorflowServingReplica(channel: UnaryChannel): TensorflowServingReplica {
  return {
    score: async (request, call) => {
      const reply = await channel.unary(
        "/tensorflow.serving.PredictionService/Predict",
        predictRequestSegments(request),
        call,
      );
      return readReply(() => scoreResponseFromPredictResponse(reply, request.modelSpec));
    },

    modelStatus: async (modelSpec, call) => {
      const request = create(GetModelStatusRequestSchema, {
        modelSpec: modelSpecMessage(modelSpec),
      });
      const reply = await channel.unary(
        "/tensorflow.serving.ModelService/GetModelStatus",
        [toBinary(GetModelStatusRequestSchema, request)],
        call,
      );
      return readReply(() => fromBinary(GetModelStatusResponseSchema, reply));
    },

    modelMetadata: async (modelSpec, call) => {
      const request = create(GetModelMetadataRequestSchema, {
        modelSpec: modelSpecMessage(modelSpec),
        metadataField: ["signature_def"],
      });
      const reply = await channel.unary(
        "/tensorflow.serving.PredictionService/GetModelMetadata",
        [toBinary(GetModelMetadataRequestSchema, request)],
        call,
      );
      return readReply(() => fromBinary(GetModelMetadataResponseSchema, reply));
    },
  };
}

function modelSpecMessage({ name, version, versionLabel }: ModelSpec) {
  if (version !== undefined) {
    return { name, versionChoice: { case: "version" as const, value: { value: version } } };
  }
  if (versionLabel !== undefined) {
    return { name, versionChoice: { case: "versionLabel" as const, value: versionLabel } };
  }
  return { name };
}

/** A reply that cannot be read is the replica's fault, so another one may be asked. */
function readReply<Answer>(read: () => Answer): Answer {
  try {
    return read();
  } catch (cause) {
    throw new UpstreamFailedError("the replica's reply could not be read", { cause });
  }
}
