import { create, toBinary } from "@bufbuild/protobuf";
import { fixedSizeTensor, float32Tensor, type Tensor } from "@tensorgate/core";
import {
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { predictResponseSegments } from "@tensorgate/tf-serving";

/** What every pure replica answers: `scores`, FP32 `[1, 4]`. */
export const scores = Float32Array.of(0.5, 0.25, 0.125, 0.0625);

/** Name of the one model that there is. */
export const modelName = "m";

/** A Predict's answer, as gRPC frames it. */
export const scoresReply = predictReply(new Map([["scores", float32Tensor([1, 4], scores)]]));

/** The answer of a model that counts: `count`, INT64 `[1]`. */
export function countReply(count: number): Buffer {
  const bytes = new Uint8Array(new BigInt64Array([BigInt(count)]).buffer);
  return predictReply(new Map([["count", fixedSizeTensor("INT64", [1], bytes)]]));
}

/** A frame of the right length around bytes that no reply begins with. */
export const garbageReply = framed(Buffer.alloc(64, 0xff));

export function statusReply(isLoading: boolean): Buffer {
  const state = isLoading ? State.LOADING : State.AVAILABLE;
  const status = create(GetModelStatusResponseSchema, {
    modelVersionStatus: [{ version: 1n, state }],
  });
  return framed(toBinary(GetModelStatusResponseSchema, status));
}

function predictReply(outputs: ReadonlyMap<string, Tensor>): Buffer {
  const model = { name: modelName, version: 1n };
  const segments = predictResponseSegments({
    model,
    outputs,
    signatureName: "serving_default",
  });
  return framed(Buffer.concat(segments));
}

function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}
