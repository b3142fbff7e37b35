import {
  type CallContext,
  type CallWatch,
  CancelledError,
  type Clock,
  InvalidRequestError,
  ScoringError,
  type WatchCall,
  type WatchedEnd,
} from "@tensorgate/core";
import { type Authenticate, assertMayUse, credentialsOf } from "../access/authentication.ts";
import { assertRoomForAnswer } from "../server/answer-writer.ts";
import type { Gunzip } from "../server/body/gunzip.ts";
import type { Intake, IntakeGate } from "../server/body/intake.ts";
import { type Exchange, exchangeFrom, type Reply, sendReply } from "../server/exchange.ts";
import { allowLongBody } from "../server/listener/unread-body.ts";
import type { NodeRequest, NodeResponse, OnRequest } from "../server/node-http.ts";
import { type OpenNewCall, requestIdFrom } from "./call-context.ts";
import { type PathParams, pathMatcher, type RestRoute } from "./http-route.ts";
import { replyHeaders, routedHeaders, stopwatch } from "./reply-headers.ts";
import { noSuchRoute } from "./rest/errors.ts";

export interface RestHandlerParts {
  readonly routes: readonly RestRoute[];
  /** Answers in a protocol's own words what none of its routes takes; asked before a plain 404 is given. */
  readonly unrouted: (exchange: Exchange) => Reply | undefined;
  readonly authenticate: Authenticate;
  readonly intake: IntakeGate;
  readonly gunzip: Gunzip;
  readonly openCall: OpenNewCall;
  readonly watchCall: WatchCall;
  /** Told of what is our own fault, which the caller only learns the request id of. */
  readonly onInternalError: (error: ScoringError, requestId: string) => void;
  readonly clock: Clock;
}

/**
 * Answers what comes by plain HTTP: find the route, open the call, translate, answer.
 * The `catch` is the only one between a caller and a model: a failure becomes a reply here or nowhere.
 */
export function restHandler({
  routes,
  unrouted,
  authenticate,
  intake,
  gunzip,
  openCall,
  watchCall,
  onInternalError,
  clock,
}: RestHandlerParts): OnRequest {
  const table = routes.map((route) => ({ route, match: pathMatcher(route.path) }));

  function find(path: string): readonly { readonly route: RestRoute; params: PathParams }[] {
    return table.flatMap(({ route, match }) => {
      const params = match(path);
      return params ? [{ route, params }] : [];
    });
  }

  return (request, response) => {
    const reading = readingOf(() => intake.open(request, response, "whole"));
    const exchange = exchangeFrom(request, { gunzip, intake: reading.open });
    const candidates = find(exchange.path);
    const method = exchange.method === "HEAD" ? "GET" : exchange.method;
    const found = candidates.find(({ route }) => route.method === method);
    if (!found) {
      return sendReply(response, unrouted(exchange) ?? notRouted(candidates, exchange));
    }
    void answer({ ...found, exchange, request, response, reading });
  };

  interface Found {
    readonly route: RestRoute;
    readonly params: PathParams;
    readonly exchange: Exchange;
    readonly request: NodeRequest;
    readonly response: NodeResponse;
    readonly reading: Reading;
  }

  async function answer(found: Found): Promise<void> {
    const { route, params, exchange, request, response, reading } = found;
    const elapsedMs = stopwatch(clock);
    const requestId = requestIdFrom(exchange.header);
    const watch = route.isPublic ? undefined : watchRoute(route, exchange, requestId);
    let call: CallContext | undefined;
    const end = (how: Partial<WatchedEnd>) =>
      watch?.end({
        askedModel: params["model"],
        ...(call?.caller && { caller: call.caller.id }),
        ...(call && { times: call.times }),
        durationMs: elapsedMs(),
        receivedBytes: reading.receivedBytes(),
        ...how,
      });
    try {
      const caller = route.isPublic ? undefined : authenticate(credentialsOf(request));
      if (!route.isPublic) allowLongBody(request);
      const address = request.socket.remoteAddress;
      using open = openCall({ requestId, caller, address, header: exchange.header, watch });
      ({ call } = open);
      response.once("close", () => {
        if (!response.writableFinished)
          open.abort(new CancelledError("the client closed the request"));
      });
      request.once("error", () => open.abort(new CancelledError("the client closed the request")));
      call.signal.throwIfAborted();
      if (params["model"] !== undefined) assertMayUse(call, params["model"]);
      const work = Promise.resolve(route.answer(exchange, params, call)).finally(reading.letGo);
      const {
        status = 200,
        contentType,
        headers: extra,
        body,
        ...facts
      } = await untilAborted(call.signal, work);
      assertRoomForAnswer(response, body.length);
      const headers = { ...extra, ...replyHeaders(call, facts, elapsedMs()) };
      sendReply(response, { status, headers: { "content-type": contentType, ...headers }, body });
      end(facts);
    } catch (thrown) {
      const error = ScoringError.from(thrown);
      if (error.reason === "internal") onInternalError(error, requestId);
      const reply = route.errorReply(error, requestId);
      const routed = call ? routedHeaders(call) : {};
      sendReply(response, { ...reply, headers: { ...reply.headers, ...routed } });
      end({ error });
    }
  }

  function watchRoute(route: RestRoute, { header }: Exchange, requestId: string): CallWatch {
    const { method, path, protocol = "rest" } = route;
    const traceparent = header("traceparent");
    return watchCall({ protocol, operation: `${method} ${path}`, requestId, traceparent });
  }
}

/** The body of one request, if it is ever asked for. */
interface Reading {
  readonly open: () => Intake;
  readonly receivedBytes: () => number;
  /** Called when the work has ended: that of a caller who has gone still holds the picture. */
  readonly letGo: () => void;
}

function readingOf(open: () => Intake): Reading {
  let intake: Intake | undefined;
  let held: Disposable | undefined;
  return {
    open: () => {
      intake = open();
      held = intake.hold();
      return intake;
    },
    receivedBytes: () => intake?.receivedBytes ?? 0,
    letGo: () => held?.[Symbol.dispose](),
  };
}

/** Rejects as soon as the call is over, also while a body is still coming in. */
function untilAborted<Answer>(signal: AbortSignal, answer: Promise<Answer>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function notRouted(
  candidates: readonly { readonly route: RestRoute }[],
  { method, path }: { readonly method: string; readonly path: string },
): Reply {
  if (candidates.length === 0) {
    return noSuchRoute(404, `no route for ${path.slice(0, 200)}; see /openapi.json`);
  }
  const allowed = candidates.map(({ route }) => route.method);
  return noSuchRoute(405, `${path} takes ${allowed.join(", ")}, not ${method}`, allowed);
}

/** @throws InvalidRequestError if the parameter is there and not a number */
export function numberParam(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidRequestError(`${name} must be a number, got "${text.slice(0, 40)}"`, {
    field: name,
  });
}
