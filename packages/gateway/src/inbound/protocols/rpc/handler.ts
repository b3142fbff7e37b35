import type { DescFile } from "@bufbuild/protobuf";
import { createConnectRouter, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import {
  type Classify,
  type Detect,
  type Embed,
  type GatewayStatus,
  type ModelCatalog,
  type Protocol,
  type Score,
  ScoringError,
} from "@tensorgate/core";
import { file_grpc_health_v1_health as healthFile } from "@tensorgate/proto/grpc/health/v1/health";
import { file_grpc_reflection_v1_reflection as reflectionFile } from "@tensorgate/proto/grpc/reflection/v1/reflection";
import { file_tensorgate_v1_catalog as catalogFile } from "@tensorgate/proto/tensorgate/v1/catalog";
import {
  ScoringService,
  file_tensorgate_v1_scoring as scoringFile,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { file_tensorgate_v1_status as statusFile } from "@tensorgate/proto/tensorgate/v1/status";
import { type Authenticate, credentialsOf } from "../../access/authentication.ts";
import type { RequestOptions } from "../../options.ts";
import { inSlices } from "../../server/answer-writer.ts";
import type { Gunzip } from "../../server/body/gunzip.ts";
import type { IntakeGate } from "../../server/body/intake.ts";
import { headerOf, sendReply } from "../../server/exchange.ts";
import { allowLongBody } from "../../server/listener/unread-body.ts";
import type { NodeRequest, NodeResponse, OnRequest } from "../../server/node-http.ts";
import { requestIdFrom } from "../call-context.ts";
import type { Readiness } from "../rest/health-rest.ts";
import { wireStatusOf } from "../wire-status.ts";
import { assertDeclaredLength, readRpcBody } from "./body.ts";
import { catalogRpc } from "./catalog.ts";
import { connectErrorFrom } from "./errors.ts";
import { plainHeaders, rpcFormOf } from "./form.ts";
import { healthRpc } from "./health-rpc.ts";
import { keyGuard } from "./key-guard.ts";
import type { MessageLimits } from "./message-check.ts";
import { cutTimeouts } from "./protocol-timeout.ts";
import { reflectionRpc } from "./reflection.ts";
import { scoringRpc } from "./routes.ts";
import { type RpcParts, type RpcStart, rpcRunner, startKey } from "./rpc-call.ts";
import { rpcRefusal } from "./rpc-refusal.ts";
import { statusRpc } from "./status.ts";

export interface RpcHandlerParts extends RpcParts {
  readonly classify: Classify;
  readonly detect: Detect;
  readonly embed: Embed;
  readonly score: Score;
  readonly catalog: ModelCatalog;
  readonly readiness: () => Readiness;
  readonly status: () => GatewayStatus;
  /** Aborts when the gateway begins to close. */
  readonly closing: AbortSignal;
  readonly authenticate: Authenticate;
  readonly intake: IntakeGate;
  readonly gunzip: Gunzip;
  readonly requests: Required<RequestOptions>;
  /** Answers what is no RPC. */
  readonly otherwise: OnRequest;
}

const files: readonly DescFile[] = [
  scoringFile,
  catalogFile,
  statusFile,
  healthFile,
  reflectionFile,
];

/** Everything that comes by Connect, gRPC or gRPC-Web; the library tells the three apart. */
export function rpcHandler(parts: RpcHandlerParts): OnRequest {
  const { requests, readiness, authenticate, intake, watchCall, otherwise } = parts;
  const run = rpcRunner(parts);
  const serviceNames = files.flatMap((file) => file.services.map(({ typeName }) => typeName));
  const router = createConnectRouter({
    readMaxBytes: requests.maxMessageBytes,
    binaryOptions: { readUnknownFields: false },
    interceptors: [keyGuard],
  });
  scoringRpc(router, { ...parts, run });
  catalogRpc(router, parts.catalog, run);
  statusRpc(router, { ...parts, run });
  healthRpc(router, { readiness, serviceNames });
  reflectionRpc(router, files);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  const scoringLimits: MessageLimits = {
    maxBytes: requests.maxMessageBytes,
    maxJsonBytes: maxJsonMessageBytes,
    maxElements: requests.maxMessageElements,
  };

  function open({ handler, request, requestId }: RpcRequest, response: NodeResponse) {
    const credentials = isOpen(handler.requestPath) ? undefined : credentialsOf(request);
    const caller = () => (credentials ? authenticate(credentials) : undefined);
    caller();
    if (credentials) allowLongBody(request);
    const form = rpcFormOf(request);
    const { method } = handler;
    const limits = method.parent.typeName === ScoringService.typeName ? scoringLimits : smallLimits;
    const kind = method.methodKind === "unary" ? "whole" : "stream";
    if (kind === "whole") assertDeclaredLength(request, limits.maxBytes);
    const counted = intake.open(request, response, kind);
    const start: RpcStart = {
      requestId,
      caller,
      address: request.socket.remoteAddress,
      intake: counted,
      heldBytes: [],
      wasBegun: false,
    };
    async function* body(): AsyncGenerator<Uint8Array> {
      // The library answers a content type that it does not know without reading anything.
      if (!form) return;
      try {
        yield* readRpcBody(request, {
          form,
          schema: method.input,
          isStream: method.methodKind === "bidi_streaming",
          limits,
          intake: counted,
          gunzip: parts.gunzip,
          onMessage: (byteCount) => void start.heldBytes.push(byteCount),
        });
      } catch (thrown) {
        const error = ScoringError.from(thrown);
        if (!start.wasBegun) record({ handler, request, requestId }, error);
        throw connectErrorFrom(error, requestId);
      }
    }
    const values = createContextValues().set(startKey, start);
    const asked = universalRequestFromNodeRequest(request, response, undefined, values);
    const header = plainHeaders(asked.header);
    cutTimeouts(header);
    return { ...asked, header, body: body() };
  }

  /** Of a call that failed before its message was read. */
  function record({ handler, request, requestId }: RpcRequest, error: ScoringError): void {
    if (error.reason === "internal") parts.onInternalError(error, requestId);
    watchCall({
      protocol: protocolOf(request),
      operation: handler.requestPath.slice(1),
      requestId,
      traceparent: headerOf(request, "traceparent"),
    }).end({ error, askedModel: undefined, durationMs: 0, receivedBytes: 0 });
  }

  return (request, response) => {
    const handler = handlers.get(pathOf(request));
    if (!handler) return otherwise(request, response);
    const requestId = requestIdFrom((name) => headerOf(request, name));
    const asked = { handler, request, requestId };
    try {
      handler(open(asked, response))
        .then(({ body, ...answer }) => {
          const sliced = body && { body: inSlices(body, response) };
          return universalResponseToNodeResponse({ ...answer, ...sliced }, response);
        })
        // The connection broke while the answer was written: nobody is left to tell.
        .catch(() => response.destroy());
    } catch (thrown) {
      const error = ScoringError.from(thrown);
      record(asked, error);
      const refused = connectErrorFrom(error, requestId);
      const contentType = request.headers["content-type"] ?? "";
      sendReply(response, rpcRefusal(contentType, refused, wireStatusOf(error).http));
    }
  };
}

interface RpcRequest {
  readonly handler: UniversalHandler;
  readonly request: NodeRequest;
  readonly requestId: string;
}

/** Longest message in JSON, in bytes: the library reads it character by character, which takes 80 ms for as much. */
const maxJsonMessageBytes = 8_388_608;

/** Of health, reflection, status and catalog, which ask by a name or two. */
const smallLimits: MessageLimits = { maxBytes: 16_384, maxJsonBytes: 16_384, maxElements: 256 };

function protocolOf({ headers }: NodeRequest): Protocol {
  const contentType = headers["content-type"] ?? "";
  if (contentType.startsWith("application/grpc-web")) return "grpc-web";
  return contentType.startsWith("application/grpc") ? "grpc" : "connect";
}

function pathOf({ url = "/" }: NodeRequest): string {
  const queryStart = url.indexOf("?");
  return queryStart === -1 ? url : url.slice(0, queryStart);
}

/** Health needs no key, since probes have none; any other service does. */
const isOpen = (path: string): boolean => path.startsWith("/grpc.health.v1.");
