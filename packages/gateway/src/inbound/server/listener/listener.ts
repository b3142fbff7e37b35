import type http2 from "node:http2";
import net from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Clock } from "@tensorgate/core";
import { nodeHttp, nodeHttp2 } from "../../../node-modules.ts";
import type { ListenSettings, RequestOptions } from "../../options.ts";
import type { BodyBudget } from "../body/body-budget.ts";
import { maxUnauthenticatedBytes } from "../exchange.ts";
import type { OnRequest } from "../node-http.ts";
import { type ClientConnection, createConnectionTable } from "./connections.ts";
import { answerMalformedRequest, sniffHttpVersion } from "./first-bytes.ts";
import { createFileLimit, openFileLimit, type RejectionReason } from "./rejections.ts";
import { createRequestGate } from "./request-gate.ts";
import { type CertificateNews, createTlsAcceptor, type TlsAcceptor } from "./tls-acceptor.ts";
import { createTurns, shortTurnMs } from "./turns.ts";

/** One port for HTTP/1.1 and HTTP/2, in cleartext or, where there is a certificate, in TLS only. */
export interface Listener {
  readonly connectionCount: number;
  /** Those that wait to be read, because more requests are in flight than the process can work on. */
  readonly waitingCount: number;
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
  /** Whether other processes may listen on the port, too. */
  readonly isPortShared?: boolean;
  readonly clock: Clock;
}

/** Connections that the system accepts before we do. */
const backlog = 1_024;

/**
 * Serves HTTP/1.1 and HTTP/2 on one port. The sockets belong to a `net.Server`, which hands them off to the HTTP
 * servers. A server that never listens has no timers, so those of a connection, the table of connections and the drain
 * are ours; only Node's header timer, started by a "listening" event, covers the later requests of a connection.
 */
export function createListener(options: ListenerOptions): Listener {
  const { listen, onCertificates, onRejected, clock } = options;
  const { headerTimeoutMs } = options.requests;
  const isNearFileLimit = createFileLimit(openFileLimit());
  const turns = createTurns({ clock });
  const table = createConnectionTable({
    limits: listen,
    headerTimeoutMs,
    isNearFileLimit,
    onRejected,
    turns,
    clock,
  });
  const requestGate = createRequestGate(options);
  let keepsIdle = false;
  let acceptedCount = 0;
  const closing = Promise.withResolvers<void>();

  const http1 = nodeHttp().createServer({
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
  http1.on("request", requestGate.onHttp1);
  http1.on("checkContinue", requestGate.onHttp1Continue);
  http1.on("checkExpectation", requestGate.onHttp1);

  let beingHandedOff: ClientConnection | undefined;
  let http2Server: http2.Http2Server | undefined;

  /** Created for the first connection that needs it: `node:http2` takes memory. */
  function createHttp2Server(): http2.Http2Server {
    const created = nodeHttp2().createServer({
      maxSessionInvalidFrames: 100,
      settings: {
        maxConcurrentStreams: listen.maxStreamsPerConnection,
        // More once a caller of the session may use the gateway.
        initialWindowSize: maxUnauthenticatedBytes,
        maxHeaderListSize: 16_384,
      },
      // Node counts what a cancelled response left unsent, never takes it off again, and at the limit refuses every request
      // of the connection. What responses hold is bounded by the body budget, alike for both versions.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      streamResetBurst: 200,
      streamResetRate: 20,
    });
    created.on("session", (session) => {
      session.on("error", () => {});
      if (beingHandedOff) requestGate.openHttp2(session, beingHandedOff);
      else session.destroy();
    });
    created.on("request", requestGate.onHttp2);
    created.on("checkContinue", requestGate.onHttp2);
    created.on("checkExpectation", requestGate.onHttp2);
    created.on("connect", requestGate.onHttp2);
    return created;
  }

  function handOff(
    transport: Duplex,
    version: "http/1.1" | "h2",
    connection: ClientConnection,
  ): void {
    connection.transport = transport;
    if (version === "h2") {
      beingHandedOff = connection;
      http2Server ??= createHttp2Server();
      http2Server.emit("connection", transport);
      beingHandedOff = undefined;
      return;
    }
    requestGate.openHttp1(transport, connection);
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
    get waitingCount() {
      return turns.waitingCount;
    },

    listen: () =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        const { host, port } = listen;
        server.listen({ host, port, backlog, reusePort: options.isPortShared ?? false }, () => {
          server.off("error", reject);
          // A connection that could not be accepted: the next one may be.
          server.on("error", () => onRejected("file-limit"));
          resolve(server.address() as net.AddressInfo);
        });
      }),

    drain: async (delayMs) => {
      keepsIdle = true;
      requestGate.endWithNextResponses();
      using _over = clock.setTimer(delayMs, closing.resolve);
      await closing.promise;
    },

    close: async (graceMs) => {
      requestGate.endWithNextResponses();
      closing.resolve();
      using _grace = clock.setTimer(graceMs, table.destroyAll);
      const areTaken = turns.areTaken;
      turns.endAll();
      if (keepsIdle || areTaken) await acceptWaiting();
      server.close();
      table.drain(keepsIdle);
      await table.empty();
      tls?.close();
      // Never listened, so it says that it is not running; its timers stop all the same.
      http1.close(() => {});
      http2Server?.close(() => {});
    },
  };
}
