import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { fixedSizeTensor } from "@tensorgate/core";
import { ErrorInfoSchema } from "@tensorgate/proto/google/rpc/error_details";
import {
  PredictRequestSchema,
  PredictResponseSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { predictRequestSegments } from "@tensorgate/tf-serving";
import { modelName, scores } from "../replica/replies.ts";

/** The gateway's own Predict, as Connect sends it. */
export function gatewayRequest(bodyBytes: number): Buffer {
  const message = create(PredictRequestSchema, {
    modelSpec: { name: modelName },
    inputs: {
      values: {
        dtype: "UINT8",
        shape: [BigInt(bodyBytes)],
        values: { case: "data", value: new Uint8Array(bodyBytes) },
      },
    },
  });
  return Buffer.from(toBinary(PredictRequestSchema, message));
}

/** A model server's Predict, as gRPC frames it. */
export function replicaRequest(bodyBytes: number): Buffer {
  const values = fixedSizeTensor("UINT8", [bodyBytes], new Uint8Array(bodyBytes));
  const message = Buffer.concat(
    predictRequestSegments({
      modelSpec: { name: modelName },
      inputs: new Map([["values", values]]),
      outputFilter: [],
    }),
  );
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

const expectedScores = Buffer.from(new Uint8Array(scores.buffer));
/** A good answer is usually the same bytes as the one before. */
let knownGood: Buffer | undefined;

/** Whether a gateway's answer has the numbers that a replica gave: a wrong answer is fast, too. */
export function isRightAnswer(body: Buffer): boolean {
  if (knownGood?.equals(body)) return true;
  const isRight = hasScoresOrCount(body);
  if (isRight) knownGood = body;
  return isRight;
}

function hasScoresOrCount(body: Buffer): boolean {
  try {
    const { outputs } = fromBinary(PredictResponseSchema, body);
    const { scores: given, count } = outputs;
    if (count?.values.case === "data") return count.values.value.byteLength === 8;
    return given?.values.case === "data" && expectedScores.equals(given.values.value);
  } catch {
    return false;
  }
}

interface ConnectErrorBody {
  readonly code?: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

/** Why a call failed, in the gateway's words where it gave them. */
export function reasonOf(body: Buffer, httpStatus: number): string {
  try {
    const { code, details = [] } = JSON.parse(body.toString("utf8")) as ConnectErrorBody;
    const detail = details.find(({ type }) => type === "google.rpc.ErrorInfo");
    if (!detail) return code ?? `HTTP ${httpStatus}`;
    return fromBinary(ErrorInfoSchema, Buffer.from(detail.value, "base64")).reason;
  } catch {
    return `HTTP ${httpStatus}`;
  }
}
