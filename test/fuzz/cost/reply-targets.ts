import { StatusSchema } from "@tensorgate/proto/google/rpc/status";
import {
  GetModelMetadataResponseSchema,
  SignatureDefMapSchema,
} from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { GetModelStatusResponseSchema } from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { PredictResponseSchema as ServingPredictResponseSchema } from "@tensorgate/proto/tensorflow_serving/predict";
import { GetModelResponseSchema } from "@tensorgate/proto/tensorgate/v1/catalog";
import { PredictResponseSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import { GetStatusResponseSchema } from "@tensorgate/proto/tensorgate/v1/status";
import { piece, type Site } from "./body.ts";
import type { CostTarget } from "./cost-target.ts";
import type { Sent } from "./deliver.ts";
import { keyHeader, replyOrdinary, tinyPicture } from "./ordinary.ts";
import { delimited, protobufSites } from "./protobuf-sites.ts";
import { envelope, frameSites } from "./text-sites.ts";
import { predictReply, usualOutputs } from "./upstream.ts";

/** Longest reply that is tried, in bytes: near the default limit. */
const maxReplyBytes = 60 * 2 ** 20;

const get = (path: string): Sent => ({ path, headers: keyHeader });
const classify = (model: string): Sent => ({
  path: `/v1/classify/${model}`,
  headers: { ...keyHeader, "content-type": "image/jpeg" },
  body: tinyPicture,
});

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
