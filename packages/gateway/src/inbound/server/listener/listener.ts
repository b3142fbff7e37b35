import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Clock } from "@tensorgate/core";
import type { ListenSettings, RequestOptions } from "../../options.ts";
import type { BodyBudget } from "../body/body-budget.ts";
import { outflows } from "../exchange.ts";
import type { NodeResponse, OnRequest } from "../node-http.ts";
import {
  type ClientConnection,
  createConnectionTable,
  createFileLimit,
  openFileLimit,
  type RejectionReason,
} from "./connections.ts";
import { closeLingering, maxUnauthenticatedBytes } from "./lingering-close.ts";
import {
  answerMalformedRequest,
  hasOneAuthority,
  hasOneHost,
  sniffHttpVersion,
} from "./request-head.ts";
import { createSlowReaders, createStreamCutter } from "./slow-readers.ts";
import { type CertificateNews, createTlsAcceptor, type TlsAcceptor } from "./tls-acceptor.ts";

/** One port for HTTP/1.1 and HTTP/2, in cleartext or, where there is a certificate, in TLS only. */
export interface Listener {
  readonly connectionCount: number;
  /** @throws the system's error if the port is taken, SettingError if a file of TLS cannot be used */
  listen(): Promise<net.AddressInfo>;
  /**
   * Goes on for `delayMs`, and ends every HTTP/1.1 connection with its next answer (`connection: close`). Resolves
   * when the time is over, or the listener is closed.
   */
  drain(delayMs: number): Promise<void>;
  /**
   * Accepts no new connection, announces the end of the open ones (`connection: close`, GOAWAY), and resolves when every
   * exchange has ended, or after `graceMs`, when what is left is cut. Idle HTTP/1.1 connections are closed now; after
   * `drain` they stay until then, for a proxy may be sending on them.
   */
  close(graceMs: number): Promise<void>;
}

export interface ListenerOptions {
  readonly listen: ListenSettings;
  readonly requests: Required<RequestOptions>;
  /** Where what callers have not read of their answers is counted. */
  readonly budget: Pick<BodyBudget, "add" | "hasRoom">;
  readonly onRequest: OnRequest;
  readonly onCertificates: (news: CertificateNews) => void;
  /** Called for every connection that is closed before it is used. */
  readonly onRejected: (reason: RejectionReason) => void;
  readonly clock: Clock;
}

/** Connections that the system accepts before we do. */
const backlog = 1_024;

/** A turn of the event loop in which next to nothing was done, in milliseconds. */
const shortTurnMs = 0.2;

/**
 * Serves HTTP/1.1 and HTTP/2 on one port. The sockets belong to a `net.Server`, which hands them off to the HTTP
 * servers. A server that never listens has no timers, so those of a connection, the table of connections and the drain
 * are ours; only Node's header timer, started by a "listening" event, covers the later requests of a connection.
 */
export function createListener(options: ListenerOptions): Listener {
  const { listen, requests, onRequest, onCertificates, onRejected, clock } = options;
  const { headerTimeoutMs } = requests;
  const isNearFileLimit = createFileLimit(openFileLimit());
  const table = createConnectionTable({
    limits: listen,
    headerTimeoutMs,
    isNearFileLimit,
    onRejected,
    clock,
  });
  const slowReaders = createSlowReaders(options);
  /** The connection of each transport, from when it is handed off to an HTTP server. */
  const connectionOf = new Map<Duplex, ClientConnection>();
  /** Answers over HTTP/1.1 that may still say whether the connection stays open. */
  const unansweredHttp1 = new Set<http.ServerResponse>();
  let isDraining = false;
  let keepsIdle = false;
  let acceptedCount = 0;
  const closing = Promise.withResolvers<void>();
  // A caller that knows when an idle connection is closed sends no request into its end.
  const keepAlive = `timeout=${Math.floor(listen.idleTimeoutMs / 1_000)}`;

  const http1 = http.createServer({
    headersTimeout: headerTimeoutMs,
    // Bodies are timed where they are read, alike in every protocol.
    requestTimeout: 0,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 0,
    maxHeaderSize: 16_384,
  });
  // A caller may close its sending side after a request; Node's own server ends the connection then.
  Object.assign(http1, { httpAllowHalfOpen: true });
  http1.emit("listening");
  http1.on("clientError", answerMalformedRequest);
  http1.on("request", answerHttp1);
  // Reading the body sends 100; without it the client may never send the body, so the connection ends.
  http1.on("checkContinue", (request, response) => {
    response.setHeader("connection", "close");
    const sendContinue = response.writeContinue.bind(response);
    response.writeContinue = () => {
      if (!isDraining) response.removeHeader("connection");
      sendContinue();
    };
    answerHttp1(request, response);
  });

  const http2Server = http2.createServer({
    maxSessionInvalidFrames: 100,
    settings: {
      maxConcurrentStreams: listen.maxStreamsPerConnection,
      // More once a caller of the session may use the gateway.
      initialWindowSize: maxUnauthenticatedBytes,
      maxHeaderListSize: 16_384,
    },
    streamResetBurst: 200,
    streamResetRate: 20,
  });
  let beingHandedOff: ClientConnection | undefined;
  const cutters = new WeakMap<http2.Http2Session, ReturnType<typeof createStreamCutter>>();
  http2Server.on("session", (session) => {
    session.on("error", () => {});
    session.setLocalWindowSize(1_048_576);
    const connection = beingHandedOff;
    if (!connection) return session.destroy();
    connection.closeSession = () => session.close();
    cutters.set(session, createStreamCutter(session, { clock, reset: connection.reset }));
    // Its first settings are its headers: from here on it is idle, or has streams.
    session.once("remoteSettings", () => {
      connection.begin();
      connection.end();
    });
    session.on("stream", (stream) => {
      connection.begin();
      stream.once("close", () => connection.end());
    });
  });
  http2Server.on("request", answerHttp2);
  http2Server.on("checkContinue", answerHttp2);

  function answerHttp2(
    request: http2.Http2ServerRequest,
    response: http2.Http2ServerResponse,
  ): void {
    const cut = () => {
      const { stream } = response;
      if (stream?.session) cutters.get(stream.session)?.(stream);
    };
    outflows.set(response, slowReaders.watch(response, cut));
    closeLingering(request, response, clock);
    if (hasOneAuthority(request)) onRequest(request, response);
    else rejectRequest(response, 400);
  }

  function answerHttp1(request: http.IncomingMessage, response: http.ServerResponse): void {
    const connection = connectionOf.get(request.socket);
    if (!connection) {
      request.socket.destroy();
      return;
    }
    connection.begin();
    connection.latest = response;
    request.once("end", connection.received);
    unansweredHttp1.add(response);
    response.once("close", () => {
      unansweredHttp1.delete(response);
      connection.end();
    });
    if (isDraining) response.setHeader("connection", "close");
    else if (response.shouldKeepAlive && !response.hasHeader("connection"))
      response.setHeader("keep-alive", keepAlive);
    // Requests may come before the answers to those ahead of them, and none of those may be waited for.
    const isTooMany = connection.exchangeCount > listen.maxStreamsPerConnection;
    if (isTooMany) {
      rejectRequest(response, 503);
      return;
    }
    outflows.set(response, slowReaders.watch(response, connection.reset));
    closeLingering(request, response, clock);
    if (hasOneHost(request)) onRequest(request, response);
    else rejectRequest(response, 400);
  }

  function handOff(
    transport: Duplex,
    version: "http/1.1" | "h2",
    connection: ClientConnection,
  ): void {
    connection.transport = transport;
    if (version === "h2") {
      beingHandedOff = connection;
      http2Server.emit("connection", transport);
      beingHandedOff = undefined;
      return;
    }
    connectionOf.set(transport, connection);
    transport.allowHalfOpen = true;
    transport.once("end", connection.halfClose);
    transport.once("close", () => connectionOf.delete(transport));
    http1.emit("connection", transport);
  }

  const tls: TlsAcceptor | undefined =
    listen.tls && createTlsAcceptor(listen.tls, { clock, onCertificates });
  const server = net.createServer({ noDelay: true }, (socket) => {
    acceptedCount += 1;
    const connection = table.admit(socket);
    if (!connection) return;
    if (!tls) return sniffHttpVersion(socket, (version) => handOff(socket, version, connection));
    tls.accept(socket, (secured: TLSSocket) => {
      if (secured.alpnProtocol === "h2") return handOff(secured, "h2", connection);
      handOff(secured, "http/1.1", connection);
    });
  });

  function endWithNextAnswers(): void {
    isDraining = true;
    for (const response of unansweredHttp1) {
      if (response.headersSent) continue;
      response.setHeader("connection", "close");
      response.removeHeader("keep-alive");
    }
  }

  /**
   * Accepts what the system has accepted for us, and would reset when the port closes. Waits for a short turn of the
   * event loop that brought nothing: a connection that arrives during a long one is seen only in the next.
   */
  async function acceptWaiting(): Promise<void> {
    const afterThisPoll = () => new Promise((resolve) => setImmediate(resolve));
    await afterThisPoll();
    for (let turn = 0; turn < backlog; turn += 1) {
      const before = acceptedCount;
      const startedMs = clock.nowMs();
      await afterThisPoll();
      if (acceptedCount === before && clock.nowMs() - startedMs < shortTurnMs) return;
    }
  }

  return {
    get connectionCount() {
      return table.count;
    },

    listen: () =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: listen.host, port: listen.port, backlog }, () => {
          server.off("error", reject);
          // A connection that could not be accepted: the next one may be.
          server.on("error", () => onRejected("file-limit"));
          resolve(server.address() as net.AddressInfo);
        });
      }),

    drain: async (delayMs) => {
      keepsIdle = true;
      endWithNextAnswers();
      using _over = clock.setTimer(delayMs, closing.resolve);
      await closing.promise;
    },

    close: async (graceMs) => {
      endWithNextAnswers();
      closing.resolve();
      using _grace = clock.setTimer(graceMs, table.destroyAll);
      if (keepsIdle) await acceptWaiting();
      server.close();
      table.drain(keepsIdle);
      await table.empty();
      tls?.close();
      // Never listened, so it says that it is not running; its timers stop all the same.
      http1.close(() => {});
      http2Server.close(() => {});
    },
  };
}

/** Answers a request that never becomes a call, and ends an HTTP/1.1 connection with it. */
function rejectRequest(response: NodeResponse, status: number): void {
  response.statusCode = status;
  if (!("stream" in response)) response.setHeader("connection", "close");
  response.setHeader("content-length", 0);
  response.end();
}
