import { createRegistry } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  createContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { type Protocol, ScoringError } from "@tensorgate/core";
import { grpcCode, statusFields } from "@tensorgate/grpc";
import { SignatureDefMapSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import type { RequestOptions } from "../../../options.ts";
import type { BodyBudget } from "../../../server/body/body-budget.ts";
import type { Decompress } from "../../../server/body/decompress.ts";
import { headerOf, pathOf } from "../../../server/exchange.ts";
import type { NodeRequest, NodeResponse, Respond } from "../../../server/node-http.ts";
import { sendReply } from "../../../server/reply.ts";
import type { CallRunner } from "../../call.ts";
import { createIncomingCall } from "../../incoming-call.ts";
import { connectErrorFrom, unknownMethodText } from "../errors.ts";
import { addRpcRoutes, type RpcRoutesDeps, scoringMethods } from "../routes.ts";
import {
  createInferenceRouters,
  inferUnaryMethod,
  isInferMethod,
} from "../services/infer-routes.ts";
import { isServerMethod, refusalOf } from "../services/inference-routes.ts";
import {
  createServingRouters,
  isServingMethod,
  servingUnaryMethods,
} from "../services/serving-routes.ts";
import { createUnaryHandler, type FailedCall } from "../unary.ts";
import {
  assertDeclaredLength,
  assertKnownEncodings,
  type MessageLimits,
  plainHeaders,
  readRpcBody,
  rpcFormOf,
  timeoutHeaders,
} from "./body.ts";
import { createRpcRunner, failureKey, type RpcRequest, type RpcRunner, rpcKey } from "./call.ts";
import { maxJsonMessageBytes } from "./json-length.ts";
import { sendAnswer, universalRequest } from "./universal.ts";

export interface RpcHandlerDeps extends Omit<RpcRoutesDeps, "rpc"> {
  readonly runner: CallRunner;
  readonly bodyBudget: Pick<BodyBudget, "open">;
  readonly decompress: Decompress;
  readonly requests: Required<RequestOptions>;
  /** Creates a router of methods beside ours; they get the limits of those that score. */
  readonly otherRouter?: (options: ConnectRouterOptions) => ConnectRouter;
}

export interface RpcHandler {
  /** Paths of its methods. */
  readonly paths: { has(path: string): boolean };
  /** Answers a request to one of them, or one of gRPC to none. */
  readonly respond: Respond;
}

/**
 * Everything that comes by Connect, gRPC or gRPC-Web. The library distinguishes the three and writes answers and errors
 * in the form of each; what it reads has been limited and charged before.
 */
export function createRpcHandler(deps: RpcHandlerDeps): RpcHandler {
  const { requests, bodyBudget, decompress, runner } = deps;
  const rpc = createRpcRunner(runner);
  const routerOptions = {
    readMaxBytes: requests.maxMessageBytes,
    // Metadata hold signatures in a message of any type.
    jsonOptions: { registry: createRegistry(SignatureDefMapSchema) },
    requestGate: gateOf(rpc),
    interceptors: [keyGuard(rpc)],
  };
  const router = createConnectRouter({
    ...routerOptions,
    binaryOptions: { readUnknownFields: false },
  });
  addRpcRoutes(router, { ...deps, rpc });
  const codecRouters = [
    createServingRouters({ rpc, unnamedModel: deps.unnamedModel, options: routerOptions }),
    createInferenceRouters({ rpc, clock: deps.clock, options: routerOptions }),
  ];
  const scoringLimits: MessageLimits = {
    maxBytes: requests.maxMessageBytes,
    maxJsonBytes: maxJsonMessageBytes,
    maxElements: requests.maxMessageElements,
  };
  const methodsOf = (routers: readonly ConnectRouter[]) =>
    new Map(
      routers.flatMap(({ handlers }) =>
        handlers.map((handler) => [handler.requestPath, rpcMethod(handler, scoringLimits)]),
      ),
    );
  const jsonMethods = methodsOf(codecRouters.map(({ json }) => json));
  const methods = methodsOf([router, ...codecRouters.map(({ binary }) => binary)]);
  for (const handler of deps.otherRouter?.(routerOptions).handlers ?? []) {
    const method = { ...rpcMethod(handler, scoringLimits), limits: scoringLimits };
    methods.set(handler.requestPath, method);
  }

  async function respondFrom(
    { handler, operation, isPublic, limits, kind }: RpcMethod,
    request: NodeRequest,
    response: NodeResponse,
  ): Promise<void> {
    const { method } = handler;
    const asked: RpcRequest = {
      incoming: createIncomingCall(request, response, {
        protocol: protocolOf(request),
        operation,
        header: headerOf.bind(undefined, request),
        isPublic,
        isRecorded: true,
        body: new ArrivedBody(() => asked.usage),
        admit: runner.admit,
      }),
      heldBytes: [],
      wasBegun: false,
    };

    const form = rpcFormOf(request);

    async function* body(): AsyncGenerator<Uint8Array> {
      try {
        if (!form) return;
        assertKnownEncodings(request);
        if (kind === "whole") assertDeclaredLength(request, form, limits.maxBytes);
        asked.usage = bodyBudget.open(request, response, kind);
        yield* readRpcBody(request, {
          form,
          schema: method.input,
          isStream:
            method.methodKind === "bidi_streaming" || method.methodKind === "client_streaming",
          limits,
          usage: asked.usage,
          decompress,
          onMessage: (byteCount) => void asked.heldBytes.push(byteCount),
        });
      } catch (thrown) {
        if (!asked.wasBegun) return void (await rpc.fail(asked, thrown));
        throw connectErrorFrom(ScoringError.from(thrown), asked.incoming.requestId);
      }
    }

    const values = createContextValues().set(rpcKey, asked);
    const universal = universalRequest(request, response, values);
    const header = plainHeaders(universal.header, form);
    // The library rejects a stream over HTTP/1.1 before its gate; a client without a key must get UNAUTHENTICATED instead.
    const httpVersion =
      universal.httpVersion === "2.0" || (await isAdmitted(asked)) ? universal.httpVersion : "2.0";
    const answer = await handler({ ...universal, httpVersion, header, body: body() });
    await sendAnswer({ request, response }, answer, form);
  }

  /** Writes the error of a call that was run without the library, as the library would. */
  async function fail(request: NodeRequest, response: NodeResponse, failed: FailedCall) {
    const method = methods.get(pathOf(request));
    const error = connectErrorFrom(failed.error, failed.requestId, failed.headers);
    const values = createContextValues().set(failureKey, error);
    const universal = universalRequest(request, response, values);
    const header = plainHeaders(universal.header, undefined);
    for (const name of timeoutHeaders) header.delete(name);
    const answer = await method?.handler({ ...universal, header, body: noBody() });
    if (answer) await sendAnswer({ request, response }, answer, undefined);
  }

  const unknownText = unknownMethodText(methods.keys());

  async function respondByLibrary(request: NodeRequest, response: NodeResponse): Promise<void> {
    const path = pathOf(request);
    const isJson = request.headers["content-type"]?.includes("json");
    const method = (isJson && jsonMethods.get(path)) || methods.get(path);
    if (method) return await respondFrom(method, request, response);
    const contentType = request.headers["content-type"] ?? "";
    const message = refusalOf(path) ?? unknownText(path);
    const status = statusFields({ code: grpcCode.UNIMPLEMENTED, message });
    sendReply(response, {
      status: 200,
      headers: { "content-type": contentType, ...status },
      body: "",
    });
  }

  const respond = createUnaryHandler({
    ...deps,
    ...scoringLimits,
    methods: [
      ...scoringMethods,
      ...servingUnaryMethods(deps.unnamedModel),
      inferUnaryMethod(deps.clock),
    ],
    respondByLibrary,
    fail,
  });
  return { paths: methods, respond };
}

/** What has arrived of a body. A class: see `docs/decisions/0072-nothing-of-a-call-outlives-it.md`. */
class ArrivedBody {
  readonly #usage: () => RpcRequest["usage"];

  constructor(usage: () => RpcRequest["usage"]) {
    this.#usage = usage;
  }

  get receivedBytes(): number {
    return this.#usage()?.receivedBytes ?? 0;
  }
}

async function* noBody(): AsyncGenerator<Uint8Array> {}

/** What is known of a method before it is called. */
interface RpcMethod {
  readonly handler: UniversalHandler;
  /** As records name it: `tensorgate.v1.ScoringService/Classify`. */
  readonly operation: string;
  /** Health, and what a server says of itself, need no key, since probes have none; everything else does. */
  readonly isPublic: boolean;
  readonly limits: MessageLimits;
  readonly kind: "whole" | "stream";
}

function rpcMethod(handler: UniversalHandler, scoringLimits: MessageLimits): RpcMethod {
  const { method, requestPath: path } = handler;
  return {
    handler,
    operation: path.slice(1),
    isPublic: path.startsWith("/grpc.health.v1.") || isServerMethod(path),
    limits: takesPictures(path) ? scoringLimits : smallLimits,
    kind: method.methodKind === "unary" ? "whole" : "stream",
  };
}

const scoringPath = `/${ScoringService.typeName}/`;

const takesPictures = (path: string) =>
  path.startsWith(scoringPath) || isServingMethod(path) || isInferMethod(path);

async function isAdmitted({ incoming }: RpcRequest): Promise<boolean> {
  try {
    await incoming.admitted;
    return true;
  } catch {
    return false;
  }
}

/** Admits a call by its headers: what it throws is written by the library, and no message is read. */
function gateOf(rpc: RpcRunner) {
  return async ({ values }: HandlerContext): Promise<void> => {
    const failure = values.get(failureKey);
    if (failure) throw failure;
    const request = values.get(rpcKey);
    try {
      await request.incoming.admitted;
    } catch (thrown) {
      await rpc.fail(request, thrown);
    }
  };
}

/** Ends a stream before the next message once its key is not valid any more, whatever the method. */
function keyGuard(rpc: RpcRunner): Interceptor {
  return (next) => async (request) => {
    const response = await next(request);
    if (!response.stream) return response;
    const asked = request.contextValues.get(rpcKey);
    return { ...response, message: guarded(response.message, () => rpc.readmit(asked)) };
  };
}

async function* guarded<Message>(
  messages: AsyncIterable<Message>,
  check: () => Promise<unknown>,
): AsyncIterable<Message> {
  for await (const message of messages) {
    await check();
    yield message;
  }
}

/** Of health, reflection, status and catalog, which ask by a name or two. */
const smallLimits: MessageLimits = { maxBytes: 16_384, maxJsonBytes: 16_384, maxElements: 256 };

function protocolOf({ headers }: NodeRequest): Protocol {
  const contentType = headers["content-type"] ?? "";
  if (contentType.startsWith("application/grpc-web")) return "grpc-web";
  return contentType.startsWith("application/grpc") ? "grpc" : "connect";
}
