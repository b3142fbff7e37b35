import type http from "node:http";
import type http2 from "node:http2";
import type { Duplex } from "node:stream";
import type { Clock } from "@tensorgate/core";
import { nodeHttp2 } from "../../../node-modules.ts";
import type { ListenSettings, RequestOptions } from "../../options.ts";
import { type BodyBudget, continueExpectation, limitPieces } from "../body/body-budget.ts";
import { closeLingering, stopUnread } from "../exchange.ts";
import type { NodeRequest, NodeResponse, OnRequest } from "../node-http.ts";
import { announceClose, createSlowReaders } from "../reply.ts";
import type { ClientConnection } from "./connections.ts";

export interface RequestGateOptions {
  readonly listen: Pick<ListenSettings, "maxStreamsPerConnection" | "idleTimeoutMs">;
  readonly requests: Required<RequestOptions>;
  /** Where what clients have not read of their responses is counted. */
  readonly budget: Pick<BodyBudget, "add" | "hasRoom">;
  readonly onRequest: OnRequest;
  readonly clock: Clock;
}

/** What every request passes before its handler, in both versions of HTTP: also those that Node would answer by itself. */
export interface RequestGate {
  /** Expects requests over HTTP/1.1 from a connection. */
  openHttp1(transport: Duplex, connection: ClientConnection): void;
  readonly onHttp1: (request: http.IncomingMessage, response: http.ServerResponse) => void;
  /** The same for a request that waits for an interim response before it sends its body. */
  readonly onHttp1Continue: (request: http.IncomingMessage, response: http.ServerResponse) => void;
  /** Expects requests from an HTTP/2 session. */
  openHttp2(session: http2.ServerHttp2Session, connection: ClientConnection): void;
  readonly onHttp2: (
    request: http2.Http2ServerRequest,
    response: http2.Http2ServerResponse,
  ) => void;
  /** Ends every HTTP/1.1 connection with its next response (`connection: close`). */
  endWithNextResponses(): void;
}

/**
 * Counts each request on its connection, bounds how slowly its response is read and how much of its body is discarded,
 * and passes it on if it is for one host.
 */
export function createRequestGate(options: RequestGateOptions): RequestGate {
  const { listen, onRequest, clock } = options;
  const watchResponse = createSlowReaders(options);
  /** The connection of each transport that carries HTTP/1.1. */
  const connectionOf = new Map<Duplex, ClientConnection>();
  const cutters = new WeakMap<http2.Http2Session, ReturnType<typeof createStreamCutter>>();
  let isDraining = false;
  // A client that knows when an idle connection is closed sends no request into its end.
  const keepAlive = `timeout=${Math.floor(listen.idleTimeoutMs / 1_000)}`;

  function onHttp1(request: http.IncomingMessage, response: CountedResponse): void {
    const connection = connectionOf.get(request.socket);
    if (!connection) {
      request.socket.destroy();
      return;
    }
    connection.begin();
    connection.unanswered.push(response);
    response[connectionKey] = connection;
    request.on("end", connection.received);
    response.on("close", endExchange);
    if (isDraining) response.setHeader("connection", "close");
    // Requests may come before the responses to those ahead of them, and none of those may be waited for.
    const isTooMany = connection.exchangeCount > listen.maxStreamsPerConnection;
    if (isTooMany) {
      rejectRequest(response, 503);
      return;
    }
    const isKeptAlive = response.shouldKeepAlive && !response.hasHeader("connection");
    watchResponse(response, connection.reset, isKeptAlive ? keepAlive : undefined);
    limitPieces(request);
    response.on("prefinish", drainUnread);
    passOn(request, response, hasOneHost(request));
  }

  function drainUnread(this: http.ServerResponse): void {
    if (!this.req.complete) closeLingering(this.req, this, clock);
  }

  function passOn(request: NodeRequest, response: NodeResponse, isForOneHost: boolean): void {
    const { expect } = request.headers;
    const isMet = expect === undefined || continueExpectation.test(expect);
    if (!isForOneHost) rejectRequest(response, 400);
    else if (isMet) onRequest(request, response);
    else rejectRequest(response, 417);
  }

  return {
    openHttp1: (transport, connection) => {
      connectionOf.set(transport, connection);
      transport.allowHalfOpen = true;
      transport.once("end", connection.halfClose);
      transport.once("close", () => {
        connectionOf.delete(transport);
        // Node closes the response that it was sending, and since version 24 those behind it.
        if (connection.unanswered.length > 0) setImmediate(closeAll, connection.unanswered);
      });
    },

    onHttp1,

    // Reading the body sends 100; without it the client may never send the body, so the connection ends.
    onHttp1Continue: (request, response) => {
      response.setHeader("connection", "close");
      const sendContinue = response.writeContinue.bind(response);
      const keepAndContinue = () => {
        if (!isDraining) response.removeHeader("connection");
        sendContinue();
      };
      response.writeContinue = keepAndContinue;
      onHttp1(request, response);
    },

    openHttp2: (session, connection) => {
      session.setLocalWindowSize(1_048_576);
      const closeSession = () => session.close();
      connection.closeSession = closeSession;
      cutters.set(session, createStreamCutter(session, { clock, reset: connection.reset }));
      // Its first settings are its headers: from here on it is idle, or has streams.
      session.once("remoteSettings", () => {
        connection.begin();
        connection.end();
      });
      session.on("stream", (stream) => {
        connection.begin();
        stream.on("close", connection.end);
      });
    },

    onHttp2: (request, response) => {
      const cut = () => {
        const { stream } = response;
        if (stream?.session) cutters.get(stream.session)?.(stream);
      };
      watchResponse(response, cut);
      limitPieces(request);
      stopUnread(request, response, clock);
      passOn(request, response, hasOneAuthority(request));
    },

    endWithNextResponses: () => {
      isDraining = true;
      for (const { unanswered } of connectionOf.values()) {
        for (const response of unanswered) {
          if (!response.headersSent) announceClose(response);
        }
      }
    },
  };
}

/** Where a response over HTTP/1.1 has the connection that counts it, so that its listener is the same for all responses. */
const connectionKey: unique symbol = Symbol("connection");
type CountedResponse = http.ServerResponse & { [connectionKey]?: ClientConnection };

function endExchange(this: CountedResponse): void {
  const connection = this[connectionKey];
  if (!connection) return;
  const { unanswered } = connection;
  unanswered.splice(unanswered.indexOf(this), 1);
  connection.end();
}

/** Closes responses whose connection is closed: what they hold would stay counted, and their calls would go on. */
function closeAll(responses: readonly http.ServerResponse[]): void {
  for (const response of [...responses]) {
    response.destroy();
    response.emit("close");
  }
}

/** Answers a request that never becomes a call, and ends an HTTP/1.1 connection with it. */
function rejectRequest(response: NodeResponse, status: number): void {
  response.statusCode = status;
  if (!("stream" in response)) response.setHeader("connection", "close");
  response.setHeader("content-length", 0);
  response.end();
}

/** A host name or address, perhaps with a port; RFC 3986 allows more characters than any of ours has. */
const authorityForm = /^[^\s/?#@\\]*$/;

/** A target in absolute form, as clients send it to a proxy: its authority counts, not that of the `Host` header. */
const absoluteForm = /^https?:\/\/([^/?#]*)([^#]*)$/i;

/**
 * Finds which host a request over HTTP/1.1 is meant for, and leaves it in one form: a path in `url`, the host in the
 * headers.
 *
 * @returns false if that is ambiguous or malformed: a proxy before us may have read it in another way
 * @see RFC 9112, section 3.2
 */
function hasOneHost(request: http.IncomingMessage): boolean {
  const { rawHeaders, headers } = request;
  let hostCount = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === "host") hostCount += 1;
  }
  if (hostCount > 1 || !authorityForm.test(headers.host ?? "")) return false;
  const target = request.url ?? "/";
  if (target.startsWith("/") || target === "*") return true;
  const [, authority, path = ""] = absoluteForm.exec(target) ?? [];
  if (!authority || !authorityForm.test(authority)) return false;
  headers.host = authority;
  request.url = path.startsWith("/") ? path : `/${path}`;
  return true;
}

/**
 * The same over HTTP/2.
 *
 * @see RFC 9113, section 8.3.1
 */
function hasOneAuthority({ headers }: http2.Http2ServerRequest): boolean {
  const { ":authority": authority, host } = headers;
  if (Array.isArray(host) || !authorityForm.test(authority ?? host ?? "")) return false;
  // node:http2 joins what came twice, and so does what a proxy and its caller each added.
  return authority === undefined || host === undefined || authority === host;
}

/** How long a session may take to answer a ping, in milliseconds. */
const pingTimeoutMs = 5_000;

/**
 * Ends one stream that the client does not read, and the whole session if the client reads nothing at all: a reset waits
 * behind everything else that was not read.
 *
 * @param reset - ends the connection immediately
 */
function createStreamCutter(
  session: http2.ServerHttp2Session,
  { clock, reset }: { readonly clock: Clock; readonly reset: () => void },
): (stream: http2.ServerHttp2Stream) => void {
  let awaited: Disposable | undefined;
  session.once("close", () => awaited?.[Symbol.dispose]());

  return (stream) => {
    stream.close(nodeHttp2().constants.NGHTTP2_ENHANCE_YOUR_CALM);
    if (awaited || session.destroyed) return;
    awaited = clock.setTimer(pingTimeoutMs, reset);
    const isSent = session.ping(() => {
      awaited?.[Symbol.dispose]();
      awaited = undefined;
    });
    if (!isSent) reset();
  };
}
