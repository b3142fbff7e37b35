import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { bytesTensor } from "@tensorgate/core";
import {
  type ClassifyRequest,
  ClassifyRequestSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { predictRequestSegments } from "@tensorgate/tf-serving";
import { cannedScores } from "./backend/canned-replies.ts";
import { framed } from "./framed.ts";
import { pictureOf } from "./picture.ts";

/** One way to send a picture to a gateway, with what must come back. */
export interface RequestKind {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly http: "1.1" | "2";
  body(pictureBytes: number): Uint8Array;
  /** Whether an answer with status 200 holds the scores of the backend. */
  isRight(answer: Buffer): boolean;
  /** Errors have status 200 as well, so that only lengths tell answers apart. */
  readonly hasErrorsInTrailers: boolean;
}

const restPath = "/v1/classify/bench";
const rpcPath = "/tensorgate.v1.ScoringService/Classify";
const grpcHeaders = { "content-type": "application/grpc", te: "trailers" };
/** The best two labels in a protobuf answer: index 0 is not written, then come the text, and 0.5 as a float. */
const bestLabel = Buffer.concat([
  Buffer.from("label 0\x1d"),
  Buffer.from(Float32Array.of(0.5).buffer),
]);
const someScores = Buffer.from(cannedScores.buffer, 0, 64);

export const restPicture: RequestKind = {
  path: restPath,
  headers: { "content-type": "image/jpeg" },
  http: "1.1",
  body: pictureOf,
  isRight: isBestLabelInJson,
  hasErrorsInTrailers: false,
};

export const restBase64: RequestKind = {
  ...restPicture,
  headers: { "content-type": "application/json" },
  body: (pictureBytes) =>
    Buffer.from(JSON.stringify({ image: { b64: pictureOf(pictureBytes).toString("base64") } })),
};

export const connectProto: RequestKind = {
  path: rpcPath,
  headers: { "content-type": "application/proto" },
  http: "1.1",
  body: (pictureBytes) => toBinary(ClassifyRequestSchema, classifyRequest(pictureBytes)),
  isRight: (answer) => answer.includes(bestLabel),
  hasErrorsInTrailers: false,
};

export const connectJson: RequestKind = {
  ...connectProto,
  headers: { "content-type": "application/json" },
  body: (pictureBytes) =>
    Buffer.from(toJsonString(ClassifyRequestSchema, classifyRequest(pictureBytes))),
  isRight: isBestLabelInJson,
};

export const grpcWeb: RequestKind = {
  ...connectProto,
  headers: { "content-type": "application/grpc-web+proto" },
  body: (pictureBytes) => framed(connectProto.body(pictureBytes)),
  hasErrorsInTrailers: true,
};

export const grpc: RequestKind = {
  ...grpcWeb,
  headers: grpcHeaders,
  http: "2",
};

/** TensorFlow Serving's `Predict` over gRPC, which gateways pass through. */
export const predict: RequestKind = {
  path: "/tensorflow.serving.PredictionService/Predict",
  headers: grpcHeaders,
  http: "2",
  body: (pictureBytes) =>
    framed(
      Buffer.concat(
        predictRequestSegments({
          modelSpec: { name: "bench" },
          inputs: new Map([["images", bytesTensor([1], [pictureOf(pictureBytes)])]]),
          outputFilter: ["scores"],
        }),
      ),
    ),
  isRight: (answer) => answer.includes(someScores),
  hasErrorsInTrailers: true,
};

/** The same over HTTP/1.1: no gRPC, but what a proxy can pass on as gRPC without any translation. */
export const predictOverHttp1: RequestKind = { ...predict, http: "1.1" };

function classifyRequest(pictureBytes: number): ClassifyRequest {
  return create(ClassifyRequestSchema, {
    modelSpec: { name: "bench" },
    pictures: [{ source: { case: "data", value: pictureOf(pictureBytes) } }],
  });
}

function isBestLabelInJson(answer: Buffer): boolean {
  interface Result {
    readonly labels: readonly { readonly label: string; readonly score: number }[] | Result;
  }
  const { results } = JSON.parse(answer.toString()) as { readonly results?: readonly Result[] };
  // Connect's JSON names the outcome, and nests its list in it.
  let labels = results?.[0]?.labels;
  if (labels && "labels" in labels) labels = labels.labels;
  const best = Array.isArray(labels) ? labels[0] : undefined;
  return best?.label === "label 0" && Math.abs(best.score - 0.5) < 1e-6;
}
