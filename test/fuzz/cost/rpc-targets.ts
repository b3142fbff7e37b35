import { create, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { Health } from "@tensorgate/proto/grpc/health/v1/health";
import { ServerReflection } from "@tensorgate/proto/grpc/reflection/v1/reflection";
import { GRPCInferenceService } from "@tensorgate/proto/inference/open_inference";
import { ModelService } from "@tensorgate/proto/tensorflow_serving/model_service";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import { CatalogService } from "@tensorgate/proto/tensorgate/v1/catalog";
import { ClassifyRequestSchema, ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { StatusService } from "@tensorgate/proto/tensorgate/v1/status";
import type { CostTarget } from "./cost-target.ts";
import { maxHeadBytes } from "./cost-target.ts";
import { protobufJsonSites } from "./json-sites.ts";
import {
  isEnveloped,
  isJson,
  keyHeader,
  manyOrdinary,
  packedAs,
  rpcHeaders,
  rpcOrdinary,
  scoring,
  streamMessage,
  tinyPicture,
} from "./ordinary.ts";
import { pictureSites } from "./picture-sites.ts";
import { delimited, protobufSites } from "./protobuf-sites.ts";
import { frameSites, gzipSites } from "./text-sites.ts";
import { post, wideOrdinary, wideReply } from "./wide.ts";

const maxMessageBytes = 60 * 2 ** 20;

const unaryTypes = [
  "application/proto",
  "application/json",
  "application/grpc",
  "application/grpc-web",
];
const streamTypes = [
  "application/connect+proto",
  "application/connect+json",
  "application/grpc",
  "application/grpc-web",
];

/** Messages of a stream are their own calls, so that no more of them are worth to be tried at a time. */
const maxFramesBytes = 2 ** 17;

export function rpcTargets(): readonly CostTarget[] {
  const services = [
    ...[ScoringService, CatalogService, StatusService, Health, ServerReflection],
    ...[PredictionService, ModelService, GRPCInferenceService],
  ];
  return services.flatMap((service) =>
    service.methods.flatMap((method) => {
      const isStream = method.methodKind !== "unary";
      const path = `/${service.typeName}/${method.name}`;
      return (isStream ? streamTypes : unaryTypes).flatMap((type) => [
        messageTarget({ path, type, isStream, schema: method.input }),
        ...(isEnveloped(type) ? framesTargets({ path, type, isStream, schema: method.input }) : []),
      ]);
    }),
  );
}

interface RpcMethod {
  readonly path: string;
  readonly type: string;
  readonly isStream: boolean;
  readonly schema: DescMessage;
}

const isWatch = (path: string) => path.includes("/Watch");

const rpcName = ({ path, type }: RpcMethod) =>
  `${path.slice(path.lastIndexOf(".") + 1)} ${type.replace("application/", "")}`;

function messageTarget(method: RpcMethod): CostTarget {
  const { path, type, isStream, schema } = method;
  const preamble = preambles.find(({ field }) => schema.fields.some(({ name }) => name === field));
  const sites = isJson(type)
    ? protobufJsonSites(schema, preamble?.json ?? "")
    : protobufSites(schema, preamble?.message);
  return {
    name: rpcName(method),
    sites,
    maxBytes: maxMessageBytes,
    send: (body) => ({
      path,
      headers: rpcHeaders(type),
      body: packedAs(type, body),
      isEndless: isWatch(path),
    }),
    ordinary: rpcOrdinary(type, isStream),
    family: `${isStream ? "stream" : "unary"} ${type}`,
    // The sites of a message are named after it; those of a JSON body are the same for all.
    parser: isJson(type) ? "rpc json" : "rpc proto",
    group: isJson(type) ? "rpc json" : "rpc proto",
  };
}

const modelPreamble = delimited(1, delimited(1, Buffer.from("shapes")));

/** How a request names its model, by the field that it does so in. */
const preambles = [
  { field: "model_spec", json: '"modelSpec":{"name":"shapes"},', message: modelPreamble },
  {
    field: "model_name",
    json: '"modelName":"shapes",',
    message: delimited(1, Buffer.from("shapes")),
  },
] as const;

function framesTargets(method: RpcMethod): readonly CostTarget[] {
  const { path, type, isStream } = method;
  const sites = frameSites(streamMessage(tinyPicture));
  const target: CostTarget = {
    name: `${rpcName(method)} frames`,
    sites,
    maxBytes: maxMessageBytes,
    send: (body) => ({
      path,
      headers: { ...rpcHeaders(type), "grpc-encoding": "gzip", "connect-content-encoding": "gzip" },
      body,
      isEndless: isWatch(path),
    }),
    ordinary: rpcOrdinary(type, isStream),
    family: `${isStream ? "stream" : "unary"} ${type}`,
    parser: `${isStream ? "stream" : "unary"} ${type} frames`,
    group: "rpc frames",
  };
  if (!isStream) return [target];
  return [
    { ...target, name: `${rpcName(method)} last frame`, sites: sites.slice(1) },
    {
      ...target,
      sites: sites.slice(0, 1),
      maxBytes: maxFramesBytes,
      ordinary: manyOrdinary(type),
      family: `many ${type}`,
      countsMessages: true,
    },
  ];
}

/** Pictures whose headers are scanned, in a message; and options of a model with many classes. */
export const otherRpcTargets: readonly CostTarget[] = [
  {
    name: "Classify pictures in proto",
    parser: "picture in proto",
    group: "picture",
    sites: pictureSites.map((site) => ({
      ...site,
      wrap: (content) =>
        Buffer.concat([modelPreamble, delimited(2, delimited(2, site.wrap(content)))]),
    })),
    maxBytes: maxMessageBytes,
    send: post(`${scoring}/Classify`, "application/proto"),
    ordinary: rpcOrdinary("application/proto", false),
    family: "unary application/proto",
  },
  {
    name: "Classify of many classes in proto",
    parser: "wide proto",
    group: "head",
    sites: protobufSites(
      ClassifyRequestSchema,
      toBinary(
        ClassifyRequestSchema,
        create(ClassifyRequestSchema, {
          modelSpec: { name: "wide" },
          pictures: [{ source: { case: "data", value: new Uint8Array(tinyPicture) } }],
        }),
      ),
    ).slice(0, 1),
    maxBytes: maxHeadBytes,
    send: (body) => ({
      ...post(`${scoring}/Classify`, "application/proto")(body),
      reply: wideReply,
    }),
    ordinary: wideOrdinary,
    family: "wide",
  },
  {
    name: "Classify without key in proto",
    parser: "rpc proto without key",
    group: "rpc proto",
    sites: protobufSites(ClassifyRequestSchema, modelPreamble),
    maxBytes: maxMessageBytes,
    send: post(`${scoring}/Classify`, "application/proto", {}),
    ordinary: rpcOrdinary("application/proto", false),
    family: "unary application/proto",
  },
  {
    name: "Classify gzip in proto",
    parser: "rpc gzip",
    group: "gzip",
    sites: gzipSites,
    maxBytes: maxMessageBytes,
    send: post(`${scoring}/Classify`, "application/proto", {
      ...keyHeader,
      "content-encoding": "gzip",
    }),
    ordinary: rpcOrdinary("application/proto", false),
    family: "unary application/proto",
  },
];
