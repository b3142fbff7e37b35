import { InvalidRequestError, type ScoringError } from "@tensorgate/core";
import { type CrossSite, preflightHeaders } from "../access/cross-site.ts";
import { assertMayUse } from "../access/permissions.ts";
import { assertRoomForAnswer } from "../server/answer-writer.ts";
import type { Gunzip } from "../server/body/gunzip.ts";
import type { Intake, IntakeGate } from "../server/body/intake.ts";
import { type Exchange, exchangeFrom, sendReply } from "../server/exchange.ts";
import type { NodeRequest, NodeResponse, OnRequest } from "../server/node-http.ts";
import type { CallRunner } from "./call.ts";
import { type HttpAnswer, type HttpBody, type HttpRoute, pathMatcher } from "./http-route.ts";
import { incomingFrom } from "./incoming.ts";
import { wireStatusOf } from "./wire-status.ts";

export interface HttpHandlerDeps {
  readonly routes: readonly HttpRoute[];
  /** Answers what no route takes; it is handed the methods that the path has routes for. */
  readonly unrouted: (exchange: Exchange, allowed: readonly string[]) => HttpAnswer;
  /** The form of errors where no route is found. */
  readonly errorBody: (error: ScoringError, requestId: string) => HttpBody;
  readonly runner: CallRunner;
  readonly crossSite: CrossSite;
  readonly intake: IntakeGate;
  readonly gunzip: Gunzip;
}

/** Answers what comes by plain HTTP, in whichever protocol's form: find the route, run the call, write its outcome. */
export function createHttpHandler(deps: HttpHandlerDeps): OnRequest {
  const { runner, intake, gunzip } = deps;
  const table = deps.routes.map((route) => ({ route, match: pathMatcher(route.path) }));

  function find(exchange: Exchange) {
    const candidates = table.flatMap(({ route, match }) => {
      const params = match(exchange.path);
      return params ? [{ route, params }] : [];
    });
    const method = exchange.method === "HEAD" ? "GET" : exchange.method;
    const found = candidates.find(({ route }) => route.method === method);
    const allowed = candidates.map(({ route }) => route.method);
    return found ?? { route: noRoute(allowed), params: {} };
  }

  /** What is asked in vain is let in by the same rules, so that a page of another origin does not learn that either. */
  function noRoute(allowed: readonly string[]): HttpRoute {
    return {
      method: "GET",
      path: "",
      isPublic: true,
      errorBody: deps.errorBody,
      answer: (exchange) => {
        const { method, header } = exchange;
        const isPreflight =
          method === "OPTIONS" &&
          header("access-control-request-method") !== undefined &&
          "vary" in deps.crossSite.readingHeaders(header);
        if (!isPreflight) return deps.unrouted(exchange, allowed);
        return { status: 204, contentType: "text/plain", headers: preflightHeaders, body: "" };
      },
    };
  }

  async function respond(request: NodeRequest, response: NodeResponse): Promise<void> {
    let counted: Intake | undefined;
    let held: Disposable | undefined;
    const exchange = exchangeFrom(request, {
      gunzip,
      intake: () => {
        counted = intake.open(request, response, "whole");
        held = counted.hold();
        return counted;
      },
    });
    const { route, params } = find(exchange);
    const isPublic = route.isPublic === true;
    const incoming = incomingFrom(request, response, {
      protocol: route.protocol ?? "rest",
      operation: `${route.method} ${route.path}`,
      isPublic,
      isRecorded: !isPublic,
      receivedBytes: () => counted?.receivedBytes ?? 0,
      runner,
    });
    const outcome = await runner.run(incoming, {
      askedModel: params["model"],
      answer: async (call, tasks) => {
        if (params["model"] !== undefined) assertMayUse(call, params["model"]);
        // The work for a caller who has gone still holds the picture.
        const work = Promise.resolve(route.answer(exchange, { call, params, tasks })).finally(() =>
          held?.[Symbol.dispose](),
        );
        return untilAborted(call.signal, work);
      },
      // In one go with what is written: until then nobody knows what the answer holds.
      write: ({ status = 200, contentType, headers, body }, callHeaders) => {
        assertRoomForAnswer(response, body.length);
        sendReply(response, {
          status,
          headers: { "content-type": contentType, ...headers, ...callHeaders },
          body,
        });
      },
    });
    if (outcome.ok) return;
    const { contentType, body } = route.errorBody(outcome.error, incoming.requestId);
    sendReply(response, {
      status: wireStatusOf(outcome.error).http,
      headers: { "content-type": contentType, ...outcome.headers },
      body,
    });
  }

  return (request, response) => {
    respond(request, response).catch(() => response.destroy());
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
