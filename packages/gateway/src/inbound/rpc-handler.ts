import type { DescFile } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Classify, Embed, ModelCatalog, Score } from "@tensorgate/core";
import { file_grpc_health_v1_health as healthFile } from "@tensorgate/proto/grpc/health/v1/health";
import { file_grpc_reflection_v1_reflection as reflectionFile } from "@tensorgate/proto/grpc/reflection/v1/reflection";
import { file_tensorgate_v1_catalog as catalogFile } from "@tensorgate/proto/tensorgate/v1/catalog";
import { file_tensorgate_v1_scoring as scoringFile } from "@tensorgate/proto/tensorgate/v1/scoring";
import { catalogRpc } from "./catalog-rpc.ts";
import type { Readiness } from "./health-rest.ts";
import { healthRpc } from "./health-rpc.ts";
import type { NodeResponse, OnRequest } from "./listener.ts";
import type { RequestOptions } from "./options.ts";
import { reflectionRpc } from "./reflection-rpc.ts";
import { type RpcParts, rpcRunner } from "./rpc-call.ts";
import { scoringRpc } from "./scoring-rpc.ts";

export interface RpcHandlerParts extends RpcParts {
  readonly classify: Classify;
  readonly embed: Embed;
  readonly score: Score;
  readonly catalog: ModelCatalog;
  readonly readiness: () => Readiness;
  readonly requests: Required<RequestOptions>;
  /** Answers what is no RPC. */
  readonly otherwise: OnRequest;
}

const files: readonly DescFile[] = [scoringFile, catalogFile, healthFile, reflectionFile];

/** Everything that comes by Connect, gRPC or gRPC-Web; the library tells the three apart. */
export function rpcHandler(parts: RpcHandlerParts): OnRequest {
  const run = rpcRunner(parts);
  const serviceNames = files.flatMap((file) => file.services.map(({ typeName }) => typeName));
  return connectNodeAdapter({
    readMaxBytes: parts.requests.maxMessageBytes,
    // Answers are small, and a caller on the same machine or network waits longer for the packing.
    acceptCompression: [],
    // The library types the same objects a little differently.
    fallback: (request, response) => parts.otherwise(request, response as NodeResponse),
    routes: (router) => {
      scoringRpc(router, { ...parts, run });
      catalogRpc(router, parts.catalog, run);
      healthRpc(router, { readiness: parts.readiness, serviceNames });
      reflectionRpc(router, files);
    },
  });
}
