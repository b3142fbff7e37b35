import type { DescFile } from "@bufbuild/protobuf";
import { createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  type Caller,
  type Classify,
  type Embed,
  type ModelCatalog,
  type Score,
  ScoringError,
} from "@tensorgate/core";
import { file_grpc_health_v1_health as healthFile } from "@tensorgate/proto/grpc/health/v1/health";
import { file_grpc_reflection_v1_reflection as reflectionFile } from "@tensorgate/proto/grpc/reflection/v1/reflection";
import { file_tensorgate_v1_catalog as catalogFile } from "@tensorgate/proto/tensorgate/v1/catalog";
import { file_tensorgate_v1_scoring as scoringFile } from "@tensorgate/proto/tensorgate/v1/scoring";
import type { Authenticate } from "./authentication.ts";
import { requestIdFrom } from "./call-context.ts";
import { catalogRpc } from "./catalog-rpc.ts";
import { connectErrorFrom } from "./connect-errors.ts";
import { sendReply } from "./exchange.ts";
import type { Readiness } from "./health-rest.ts";
import { healthRpc } from "./health-rpc.ts";
import type { NodeResponse, OnRequest } from "./listener.ts";
import type { RequestOptions } from "./options.ts";
import { reflectionRpc } from "./reflection-rpc.ts";
import { callerKey, type RpcParts, rpcRunner } from "./rpc-call.ts";
import { rpcRefusal } from "./rpc-refusal.ts";
import { scoringRpc } from "./scoring-rpc.ts";
import { wireStatusOf } from "./wire-status.ts";

export interface RpcHandlerParts extends RpcParts {
  readonly classify: Classify;
  readonly embed: Embed;
  readonly score: Score;
  readonly catalog: ModelCatalog;
  readonly readiness: () => Readiness;
  readonly authenticate: Authenticate;
  readonly requests: Required<RequestOptions>;
  /** Answers what is no RPC. */
  readonly otherwise: OnRequest;
}

const files: readonly DescFile[] = [scoringFile, catalogFile, healthFile, reflectionFile];

/** Everything that comes by Connect, gRPC or gRPC-Web; the library tells the three apart. */
export function rpcHandler(parts: RpcHandlerParts): OnRequest {
  const run = rpcRunner(parts);
  const serviceNames = files.flatMap((file) => file.services.map(({ typeName }) => typeName));
  const callers = new WeakMap<object, Caller>();
  const handle = connectNodeAdapter({
    readMaxBytes: parts.requests.maxMessageBytes,
    // Answers are small, and a caller on the same machine or network waits longer for the packing.
    acceptCompression: [],
    // The library types the same objects a little differently.
    contextValues: (request) => createContextValues().set(callerKey, callers.get(request)),
    fallback: (request, response) => parts.otherwise(request, response as NodeResponse),
    routes: (router) => {
      scoringRpc(router, { ...parts, run });
      catalogRpc(router, parts.catalog, run);
      healthRpc(router, { readiness: parts.readiness, serviceNames });
      reflectionRpc(router, files);
    },
  });

  return (request, response) => {
    if (needsKey.test(request.url ?? "")) {
      try {
        const caller = parts.authenticate(request);
        if (caller) callers.set(request, caller);
      } catch (thrown) {
        const error = ScoringError.from(thrown);
        const requestId = requestIdFrom((name) => {
          const value = request.headers[name];
          return Array.isArray(value) ? value[0] : value;
        });
        const refused = connectErrorFrom(error, requestId);
        const contentType = request.headers["content-type"] ?? "";
        request.resume();
        return sendReply(response, rpcRefusal(contentType, refused, wireStatusOf(error).http));
      }
    }
    handle(request, response);
  };
}

/** Every service but health, which whoever probes may ask. */
const needsKey = /^\/(tensorgate\.v1|grpc\.reflection)\./;
