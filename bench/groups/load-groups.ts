import { direct } from "../launch/direct.ts";
import { fastify } from "../launch/fastify.ts";
import { go } from "../launch/go.ts";
import { nginx } from "../launch/nginx.ts";
import type { Peer } from "../launch/peer.ts";
import { python } from "../launch/python.ts";
import { serve, serveByWorkers } from "../launch/serve.ts";
import { tensorgate } from "../launch/tensorgate.ts";
import {
  connectJson,
  connectProto,
  grpc,
  grpcWeb,
  predict,
  predictOverHttp1,
  type RequestKind,
  restBase64,
  restPicture,
} from "../requests.ts";
import type { Group } from "./group.ts";
import { type Cell, loadGroup } from "./load-group.ts";

const defaults = { inFlight: 16, pictureBytes: 100_000, requestCount: 2_400 };
const small = { inFlight: 16, pictureBytes: 2_000, requestCount: 6_000 };

const gateway = tensorgate();
const proxy = nginx({ http: "1.1" });
/**
 * The gateway is measured as a library and as the command. It and the hand-written gateways take a picture by REST and
 * answer with labels; nginx passes a Predict on.
 */
const peers: readonly (readonly [Peer, RequestKind])[] = [
  [gateway, restPicture],
  [serve, restPicture],
  [proxy, predictOverHttp1],
  [go(), restPicture],
  [fastify, restPicture],
  [python, restPicture],
  [direct, predict],
];

/** The same picture in three lengths, by REST. */
export const image: Group = loadGroup(
  "image",
  [
    { row: "image-2kb", ...small },
    { row: "image-100kb", ...defaults },
    { row: "image-1mb", inFlight: 16, pictureBytes: 1_000_000, requestCount: 400 },
  ].flatMap((sent) => peers.map(([peer, kind]): Cell => ({ ...sent, peer, kind }))),
);

/** The same picture by each protocol; by REST again, as the base. */
export const protocol: Group = loadGroup("protocol", [
  ...(
    [
      ["rest", restPicture],
      ["rest-base64", restBase64],
      ["grpc", grpc],
      ["connect", connectProto],
      ["connect-json", connectJson],
      ["grpc-web", grpcWeb],
      ["predict", predict],
    ] as const
  ).map(([name, kind]): Cell => ({ row: `protocol-${name}`, peer: gateway, kind, ...defaults })),
  { row: "protocol-rest-base64", peer: fastify, kind: restBase64, ...defaults },
  { row: "protocol-predict", peer: nginx({ http: "2" }), kind: predict, ...defaults },
]);

const tlsGateway = tensorgate({ isTls: true });
/** TLS towards the caller. */
export const tls: Group = loadGroup(
  "tls",
  (
    [
      ["tls-image", tlsGateway, restPicture],
      ["tls-image", nginx({ http: "1.1", isTls: true }), predictOverHttp1],
      ["tls-predict", tlsGateway, predict],
      ["tls-predict", nginx({ http: "2", isTls: true }), predict],
    ] as const
  ).map(([row, peer, kind]): Cell => ({ row, peer, kind, isTls: true, ...defaults })),
);

/** More callers than the core can serve: what is answered, and what it costs. */
const patientGateway = tensorgate({ maxCalls: 4_096 });
export const inFlight: Group = loadGroup(
  "in-flight",
  [1, 16, 64, 256, 1_024].flatMap((count) =>
    peers
      .filter(([peer]) => peer !== serve && peer !== python && peer !== direct)
      .map(
        ([peer, kind]): Cell => ({
          row: `in-flight-${count}`,
          peer: peer === gateway ? patientGateway : peer,
          kind,
          pictureBytes: defaults.pictureBytes,
          inFlight: count,
          // Enough that the connections of all callers, opened together, hardly count.
          requestCount: Math.max(defaults.requestCount, 32 * count),
        }),
      ),
  ),
);

/** What a larger configuration costs each request. Each connection that is used needs calls of the system, in Go as well. */
export const growth: Group = loadGroup(
  "growth",
  [
    ...[1, 64, 1_024].flatMap((replicaCount) =>
      [tensorgate, go].map((peer) => ({
        row: `replicas-${replicaCount}`,
        peer: peer({ replicaCount }),
      })),
    ),
    { row: "models-1000", peer: tensorgate({ modelCount: 1_000 }) },
  ].map((grown): Cell => ({ ...grown, ...small, kind: restPicture })),
);

/**
 * What a second worker adds, each with the same quota of a core. Enough callers that chance gives each worker about half
 * of them: h2load sends equally many requests by each connection, and ends with the last.
 */
export const workers: Group = loadGroup(
  "workers",
  [1, 2].flatMap((count) =>
    (
      [
        [serveByWorkers(count), restPicture],
        [nginx({ http: "1.1", workers: count }), predictOverHttp1],
      ] as const
    ).map(
      ([peer, kind]): Cell => ({
        row: `workers-${count}`,
        peer,
        kind,
        pictureBytes: defaults.pictureBytes,
        inFlight: 256,
        requestCount: 8_192,
      }),
    ),
  ),
);
