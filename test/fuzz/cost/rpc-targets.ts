import { create, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { Health } from "@tensorgate/proto/grpc/health/v1/health";
import { ServerReflection } from "@tensorgate/proto/grpc/reflection/v1/reflection";
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

/** Messages of a stream are calls of their own, so that no more of them are worth to be tried at a time. */
const maxFramesBytes = 2 ** 17;

const jsonPreamble = '"modelSpec":{"name":"shapes"},';

export function rpcTargets(): readonly CostTarget[] {
  const services = [ScoringService, CatalogService, StatusService, Health, ServerReflection];
  return services.flatMap((service) =>
    service.methods.flatMap((method) => {
      const isStream = method.methodKind !== "unary";
      const path = `/${service.typeName}/${method.name}`;
      return (isStream ? streamTypes : unaryTypes).flatMap((type) => [
        messageTarget({ path, type, isStream, schema: method.input }),
        ...(isEnveloped(type)
          ? [framesTarget({ path, type, isStream, schema: method.input })]
          : []),
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
  const needsModel = schema.fields.some(({ name }) => name === "model_spec");
  const sites = isJson(type)
    ? protobufJsonSites(schema, needsModel ? jsonPreamble : "")
    : protobufSites(schema, needsModel ? modelPreamble : undefined);
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
  };
}

const modelPreamble = delimited(1, delimited(1, Buffer.from("shapes")));

function framesTarget(method: RpcMethod): CostTarget {
  const { path, type, isStream } = method;
  return {
    name: `${rpcName(method)} frames`,
    sites: frameSites(streamMessage(tinyPicture)),
    maxBytes: isStream ? maxFramesBytes : maxMessageBytes,
    send: (body) => ({
      path,
      headers: { ...rpcHeaders(type), "grpc-encoding": "gzip", "connect-content-encoding": "gzip" },
      body,
      isEndless: isWatch(path),
    }),
    ordinary: isStream ? manyOrdinary(type) : rpcOrdinary(type, false),
    family: `${isStream ? "many" : "unary"} ${type}`,
    ...(isStream && { countsMessages: true }),
  };
}

/** Pictures whose headers are scanned, in a message; and options of a model with many classes. */
export const otherRpcTargets: readonly CostTarget[] = [
  {
    name: "Classify pictures in proto",
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
    sites: protobufSites(ClassifyRequestSchema, modelPreamble),
    maxBytes: maxMessageBytes,
    send: post(`${scoring}/Classify`, "application/proto", {}),
    ordinary: rpcOrdinary("application/proto", false),
    family: "unary application/proto",
  },
  {
    name: "Classify gzip in proto",
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
