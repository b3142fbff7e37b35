import type { CallContext, Protocol, ScoringError, Tasks } from "@tensorgate/core";
import { type CrossSite, preflightHeaders } from "../access/cross-site.ts";
import { type Exchange, type ExchangeDeps, HttpExchange, pathOf } from "../server/exchange.ts";
import type { NodeRequest, NodeResponse, OnRequest, Respond } from "../server/node-http.ts";
import { assertRoomForAnswer, sendReply } from "../server/reply.ts";
import type { CallRunner, ReplyInfo } from "./call.ts";
import { createIncomingCall } from "./incoming-call.ts";
import {
  type HttpBody,
  minNegotiatedBytes,
  negotiated,
  type Representation,
} from "./negotiation.ts";
import { wireStatusOf } from "./wire-status.ts";

/** Values of the `{names}` in a route's path, percent-decoded. */
export type PathParams = Readonly<Record<string, string>>;

export interface HttpAnswer extends Representation, ReplyInfo {}

/** The call that a route answers. */
export interface RouteCall {
  readonly call: CallContext;
  readonly params: PathParams;
  readonly tasks: Tasks;
}

/** One route of plain HTTP. It only translates: the handler answers with the error that it throws. */
export interface HttpRoute {
  readonly method: "GET" | "POST";
  /** Whether PUT means the same, as `curl -T` sends a file. */
  readonly takesPut?: true;
  /** As OpenAPI writes it: `/v1/classify/{model}`. */
  readonly path: string;
  /**
   * Reads the path, where its grammar is another than that; undefined for a request that the route does not take.
   *
   * @param target - path and query, as they came
   */
  readonly match?: (method: string, target: string) => PathParams | undefined;
  /**
   * Whose form it has, where it is not our own.
   * @default "rest"
   */
  readonly protocol?: Protocol;
  /** Whether it is answered without a key, and not worth a record. */
  readonly isPublic?: true;
  readonly answer: (exchange: Exchange, routed: RouteCall) => Promise<HttpAnswer> | HttpAnswer;
  /** An error in the form of this route's protocol; it has the status that `wireStatus` gives it. */
  readonly errorBody: (error: ScoringError, requestId: string) => HttpBody;
}

export interface HttpHandlerDeps extends ExchangeDeps {
  readonly routes: readonly HttpRoute[];
  /** Answers what no route takes; it gets the methods that the path has routes for. */
  readonly unrouted: (
    exchange: Exchange,
    allowed: readonly string[],
    requestId: string,
  ) => HttpAnswer;
  /** The form of errors where no route is found. */
  readonly errorBody: (error: ScoringError, requestId: string) => HttpBody;
  /** Answers what comes to one of its paths, or as gRPC to any. */
  readonly rpc: { readonly paths: { has(path: string): boolean }; readonly respond: Respond };
  readonly runner: CallRunner;
  readonly crossSite: CrossSite;
}

interface FoundRoute {
  readonly route: HttpRoute;
  readonly params: PathParams;
  /** Whether every request with this method and path has the route. */
  readonly isOfPath?: boolean;
}

/** Paths whose routes are remembered, of each method, and longest of them, in characters: clients choose them. */
const maxRememberedPaths = 1_024;
const maxRememberedLength = 256;

/**
 * Answers every request of the port. RPCs go to their handler. For plain HTTP, in whichever protocol's form, it finds the
 * route, runs the call and writes its outcome.
 */
export function createHttpHandler(deps: HttpHandlerDeps): OnRequest {
  const { rpc, runner, crossSite } = deps;
  const matching = deps.routes.filter(({ match }) => match);
  const table = deps.routes
    .filter(({ match }) => !match)
    .map((route) => ({ route, ...pathPattern(route.path) }));

  /** Routes of paths that came before, by method. */
  const remembered = { GET: new Map<string, FoundRoute>(), POST: new Map<string, FoundRoute>() };

  function find(exchange: Exchange): FoundRoute {
    const method = exchange.method === "HEAD" ? "GET" : exchange.method;
    if (method !== "GET" && method !== "POST") return search(method, exchange);
    const ofMethod = remembered[method];
    const before = ofMethod.get(exchange.path);
    if (before) return before;
    const found = search(method, exchange);
    if (found.isOfPath) {
      if (ofMethod.size === maxRememberedPaths) ofMethod.clear();
      ofMethod.set(exchange.path, found);
    }
    return found;
  }

  function search(method: string, { path, target }: Exchange): FoundRoute {
    const allowed: string[] = [];
    const isNamed = path.length > 1 && path.endsWith("/");
    const plainPath = isNamed ? path.slice(0, -1) : path;
    for (const { route, pattern, names } of table) {
      const match = pattern.exec(plainPath);
      if (!match) continue;
      if (route.method !== method && !(method === "PUT" && route.takesPut)) {
        allowed.push(...methodsOf(route));
        continue;
      }
      const params: Record<string, string> = {};
      for (const [index, name] of names.entries()) {
        const segment = match[index + 1] ?? "";
        params[name] = segment.includes("%") ? decoded(segment) : segment;
      }
      return { route, params, isOfPath: path.length <= maxRememberedLength };
    }
    for (const route of matching) {
      const params = route.match?.(method, target);
      if (params) return { route, params };
    }
    return { route: noRoute(allowed), params: {} };
  }

  /** A request without a route is admitted by the same rules, so that a page of another origin does not learn that either. */
  function noRoute(allowed: readonly string[]): HttpRoute {
    return {
      method: "GET",
      path: "",
      isPublic: true,
      errorBody: deps.errorBody,
      answer: (exchange, { call }) => {
        const methods = rpc.paths.has(exchange.path) ? ["POST"] : allowed;
        if (exchange.method !== "OPTIONS" || methods.length === 0) {
          return deps.unrouted(exchange, allowed, call.requestId);
        }
        const headers = { allow: [...methods, "OPTIONS"].join(", ") };
        return { status: 204, contentType: "text/plain", headers, body: "" };
      },
    };
  }

  function respond(request: NodeRequest, response: NodeResponse): Promise<unknown> {
    const exchange = new HttpExchange(request, response, deps);
    const { route, params } = find(exchange);
    const { model } = params;
    const isPublic = route.isPublic === true;
    const incoming = createIncomingCall(request, response, {
      protocol: route.protocol ?? "rest",
      operation: `${route.method} ${route.path}`,
      header: exchange.header,
      isPublic,
      isRecorded: !isPublic,
      body: exchange,
      admit: runner.admit,
    });

    /** Work that goes on after the client has disconnected still holds the picture. */
    async function answer(call: CallContext, tasks: Tasks): Promise<HttpAnswer> {
      try {
        if (model !== undefined) call.caller?.assertMayUse(model);
        const answered = await route.answer(exchange, { call, params, tasks });
        if (!call.requestBytes?.mayBeRead) exchange.recycle();
        return answered.body.length >= minNegotiatedBytes || answered.isTagged
          ? await negotiated(exchange, answered)
          : answered;
      } finally {
        exchange[Symbol.dispose]();
      }
    }

    return runner.run(incoming, {
      askedModel: model,
      endsOnAbort: true,
      answer,
      // Together with the write: only then the size of the answer is known.
      write: ({ status = 200, contentType, headers, body }, callHeaders) => {
        assertRoomForAnswer(response, body.length);
        callHeaders["content-type"] = contentType;
        const all = headers ? { ...withVary(response, headers), ...callHeaders } : callHeaders;
        sendReply(response, { status, headers: all, body });
      },
      fail: (error, callHeaders) => {
        const { contentType, body } = route.errorBody(error, incoming.requestId);
        sendReply(response, {
          status: wireStatusOf(error).http,
          headers: { "content-type": contentType, ...callHeaders },
          body,
        });
      },
    });
  }

  return (request, response) => {
    const { method, headers } = request;
    if (method === "OPTIONS" && isPreflight(request)) {
      const { origin = "" } = headers;
      return sendReply(response, { status: 204, headers: preflightHeaders(origin), body: "" });
    }
    const { origin } = headers;
    const reply = origin === undefined ? crossSite.withoutOrigin : crossSite.replyHeaders(origin);
    for (const name in reply) response.setHeader(name, reply[name] ?? "");
    const isGrpc = headers["content-type"]?.startsWith("application/grpc") ?? false;
    const isRpc = isGrpc || rpc.paths.has(pathOf(request));
    const answered = isRpc && method !== "OPTIONS" ? rpc.respond : respond;
    // The connection broke while the response was written, or there is no room for it: no client is left to answer.
    const end = () => response.destroy();
    try {
      answered(request, response).catch(end);
    } catch {
      end();
    }
  };
}

/** Whether an OPTIONS asks if a page may send its call. It carries no key, and is never a call itself. */
function isPreflight({ headers }: NodeRequest): boolean {
  return headers["access-control-request-method"] !== undefined && headers.origin !== undefined;
}

/** What the handler says of origins varies, too. */
function withVary(
  response: NodeResponse,
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const before = response.getHeader("vary");
  if (headers["vary"] === undefined || before === undefined) return headers;
  return { ...headers, vary: `${before}, ${headers["vary"]}` };
}

function methodsOf({ method, takesPut }: HttpRoute): readonly string[] {
  if (method === "GET") return ["GET", "HEAD"];
  return takesPut ? ["POST", "PUT"] : ["POST"];
}

/** Compiles a path template. A parameter is one segment that is not empty and, but for a colon, anything. */
function pathPattern(template: string): { pattern: RegExp; names: readonly string[] } {
  const names: string[] = [];
  const source = template
    .split("/")
    .map((segment) => {
      const name = /^\{(\w+)\}$/.exec(segment)?.[1];
      if (name === undefined) return segment.replaceAll(".", "\\.");
      names.push(name);
      return "([^/:]+)";
    })
    .join("/");
  return { pattern: new RegExp(`^${source}$`), names };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
