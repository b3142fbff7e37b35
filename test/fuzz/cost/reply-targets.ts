import type { DescMessage } from "@bufbuild/protobuf";
import { StatusSchema } from "@tensorgate/proto/google/rpc/status";
import {
  ModelInferResponseSchema,
  ModelMetadataResponseSchema,
} from "@tensorgate/proto/inference/open_inference";
import { ClassificationResponseSchema } from "@tensorgate/proto/tensorflow_serving/classification";
import {
  GetModelMetadataResponseSchema,
  SignatureDefMapSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { GetModelStatusResponseSchema } from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { MultiInferenceResponseSchema } from "@tensorgate/proto/tensorflow_serving/inference";
import { PredictResponseSchema as ServingPredictResponseSchema } from "@tensorgate/proto/tensorflow_serving/predict";
import { RegressionResponseSchema } from "@tensorgate/proto/tensorflow_serving/regression";
import { GetModelResponseSchema } from "@tensorgate/proto/tensorgate/v1/catalog";
import { PredictResponseSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import { GetStatusResponseSchema } from "@tensorgate/proto/tensorgate/v1/status";
import { piece, type Site } from "./body.ts";
import type { CostTarget } from "./cost-target.ts";
import type { Sent } from "./deliver.ts";
import {
  classifyMessage,
  isJson,
  keyHeader,
  packedAs,
  replyOrdinary,
  rpcHeaders,
  tinyPicture,
} from "./ordinary.ts";
import { delimited, protobufSites } from "./protobuf-sites.ts";
import { tensorSites } from "./tensor-sites.ts";
import { envelope, frameSites } from "./text-sites.ts";
import { inferReply, predictReply, usualOutputs } from "./upstream.ts";

/** Longest reply that is tried, in bytes: near the default limit. */
const maxReplyBytes = 60 * 2 ** 20;

const get = (path: string): Sent => ({ path, headers: keyHeader });
const classify = (model: string): Sent => ({
  path: `/v1/classify/${model}`,
  headers: { ...keyHeader, "content-type": "image/jpeg" },
  body: tinyPicture,
});

/** Calls of TensorFlow Serving's API whose responses are passed on, or written as JSON. */
const servingResponses = {
  Predict: ServingPredictResponseSchema,
  Classify: ClassificationResponseSchema,
  Regress: RegressionResponseSchema,
  MultiInference: MultiInferenceResponseSchema,
} as const;

const spec = { modelSpec: { name: "shapes" } };

const servingRpc = (method: string, type: "json" | "proto"): Sent => {
  const json = method === "MultiInference" ? { tasks: [spec] } : spec;
  const proto = delimited(1, delimited(1, Buffer.from("shapes")));
  return {
    path: `/tensorflow.serving.PredictionService/${method}`,
    headers: { ...keyHeader, "content-type": `application/${type}` },
    body:
      type === "json"
        ? Buffer.from(JSON.stringify(json))
        : method === "MultiInference"
          ? delimited(1, proto)
          : proto,
  };
};

const servingRest = (verb: string, body: string): Sent => ({
  path: `/v1/models/shapes:${verb}`,
  headers: { ...keyHeader, "content-type": "application/json" },
  body: Buffer.from(body),
});

/** What each of these calls makes of a replica's response. */
const servingReplies = (): readonly CostTarget[] => [
  ...Object.entries<DescMessage>(servingResponses).flatMap(([method, schema]) =>
    (["json", "proto"] as const).map((type) =>
      replies({
        name: `${method} to ${type}`,
        cause: servingRpc(method, type),
        method,
        sites: protobufSites(schema),
      }),
    ),
  ),
  replies({
    name: "Classify to REST",
    cause: servingRest("classify", '{"examples":[{"a":1}]}'),
    method: "Classify",
    sites: protobufSites(ClassificationResponseSchema),
  }),
  replies({
    name: "Regress to REST",
    cause: servingRest("regress", '{"examples":[{"a":1}]}'),
    method: "Regress",
    sites: protobufSites(RegressionResponseSchema),
  }),
];

const predictRpc = (type: string): Sent => ({
  path: "/tensorgate.v1.ScoringService/Predict",
  headers: rpcHeaders(type),
  body: packedAs(
    type,
    isJson(type)
      ? Buffer.from(JSON.stringify(spec))
      : delimited(1, delimited(1, Buffer.from("shapes"))),
  ),
});

const embedRpc = (type: string): Sent => ({
  path: "/tensorgate.v1.ScoringService/Embed",
  headers: rpcHeaders(type),
  body: packedAs(
    type,
    isJson(type)
      ? Buffer.from(
          JSON.stringify({ ...spec, pictures: [{ data: tinyPicture.toString("base64") }] }),
        )
      : classifyMessage(tinyPicture),
  ),
});

/** What is made of the tensors of a replica, wherever they are written out. */
const tensorReplies = (): readonly CostTarget[] => {
  const b64 = tinyPicture.toString("base64");
  const row = JSON.stringify({ instances: [{ b64 }] });
  const columns = JSON.stringify({ inputs: { b64 } });
  const causes: Readonly<Record<string, Sent>> = {
    "Predict to REST in rows": servingRest("predict", row),
    "Predict to REST in columns": servingRest("predict", columns),
    "Predict to Connect JSON": predictRpc("application/json"),
    "Predict to Connect": predictRpc("application/proto"),
    "Predict to gRPC-Web": predictRpc("application/grpc-web"),
    "Embed to REST": { ...classify("shapes"), path: "/v1/embed/shapes" },
    "Embed to Connect JSON": embedRpc("application/json"),
    "Embed to gRPC": embedRpc("application/grpc"),
  };
  return Object.entries(causes).map(([name, cause]) =>
    replies({ name: `tensors of ${name}`, cause, method: "Predict", sites: tensorSites }),
  );
};

interface Answered {
  readonly name: string;
  /** What makes the gateway call the method. */
  readonly cause: Sent;
  readonly method: string;
  readonly sites: readonly Site[];
}

function replies({ name, cause, method, sites }: Answered): CostTarget {
  return {
    name: `reply ${name}`,
    sites,
    maxBytes: maxReplyBytes,
    send: (body) => ({ ...cause, reply: { method, bytes: envelope(body) } }),
    ordinary: replyOrdinary,
    family: "reply",
    parser: `reply ${name}`,
    group: `reply ${name}`,
  };
}

/** A map's entry of `Any` with the signatures in it. */
const inMetadata = (site: Site): Site => ({
  ...site,
  wrap: (content) => {
    const any = Buffer.concat([
      delimited(1, Buffer.from("type.googleapis.com/tensorflow.serving.SignatureDefMap")),
      delimited(2, site.wrap(content)),
    ]);
    return delimited(
      2,
      Buffer.concat([delimited(1, Buffer.from("signature_def")), delimited(2, any)]),
    );
  },
});

const trailerSites: readonly Site[] = [
  {
    name: "grpc-message",
    wrap: (content) => content,
    pieces: ["a", "%41", "%", "%ff", "%c3%a9", " "].map((value) => piece(value)),
  },
];

/** Longest text of a trailer, in bytes. */
const maxTrailerBytes = 12_000;

const trailers = (
  name: string,
  sites: readonly Site[],
  made: (body: Buffer) => Record<string, string>,
): CostTarget => ({
  name: `reply trailer ${name}`,
  sites,
  maxBytes: maxTrailerBytes,
  send: (body) => ({
    ...classify("shapes"),
    reply: {
      method: "Predict",
      bytes: Buffer.alloc(0),
      trailers: { "grpc-status": "3", ...made(body) },
    },
  }),
  ordinary: replyOrdinary,
  family: "reply",
  parser: `reply trailer ${name}`,
  group: "reply trailers",
});

export const replyTargets: readonly CostTarget[] = [
  ...servingReplies(),
  ...tensorReplies(),
  replies({
    name: "GetModelStatus",
    cause: get("/v1/models/shapes"),
    method: "GetModelStatus",
    sites: protobufSites(GetModelStatusResponseSchema),
  }),
  replies({
    name: "GetModelMetadata",
    cause: get("/v1/models/shapes/metadata"),
    method: "GetModelMetadata",
    sites: [
      ...protobufSites(GetModelMetadataResponseSchema),
      ...protobufSites(SignatureDefMapSchema).map(inMetadata),
    ],
  }),
  replies({
    name: "Predict",
    cause: classify("shapes"),
    method: "Predict",
    sites: protobufSites(ServingPredictResponseSchema, predictReply(usualOutputs)),
  }),
  replies({
    name: "Predict of a gateway",
    cause: classify("far"),
    method: "Predict",
    sites: protobufSites(PredictResponseSchema),
  }),
  replies({
    name: "ModelInfer",
    cause: classify("inferred"),
    method: "ModelInfer",
    sites: protobufSites(ModelInferResponseSchema, inferReply),
  }),
  replies({
    name: "ModelMetadata",
    cause: get("/v1/models/inferred/metadata"),
    method: "ModelMetadata",
    sites: protobufSites(ModelMetadataResponseSchema),
  }),
  replies({
    name: "GetModel of a gateway",
    cause: get("/v1/models/far"),
    method: "GetModel",
    sites: protobufSites(GetModelResponseSchema),
  }),
  replies({
    name: "GetStatus of a gateway",
    cause: { path: "", awaits: "GetStatus" },
    method: "GetStatus",
    sites: protobufSites(GetStatusResponseSchema),
  }),
  {
    ...replies({ name: "frames", cause: classify("shapes"), method: "Predict", sites: [] }),
    sites: frameSites(predictReply(usualOutputs)),
    send: (bytes) => ({ ...classify("shapes"), reply: { method: "Predict", bytes } }),
  },
  trailers("grpc-message", trailerSites, (body) => ({ "grpc-message": body.toString("latin1") })),
  trailers("grpc-status-details-bin", protobufSites(StatusSchema), (body) => ({
    "grpc-status-details-bin": body.subarray(0, maxTrailerBytes * 0.7).toString("base64"),
  })),
];
