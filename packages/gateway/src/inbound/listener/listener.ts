import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Clock } from "@tensorgate/core";
import type { NodeRequest, NodeResponse, OnRequest } from "../node-http.ts";
import type { ListenSettings, RequestOptions } from "../options.ts";
import { type Connection, connections } from "./connections.ts";
import { sniffHttpVersion } from "./http-version.ts";
import { answerMalformedRequest } from "./malformed-request.ts";
import { type CertificateNews, type TlsDoor, tlsDoor } from "./tls-door.ts";
import { endUnreadBody, strangerBytes } from "./unread-body.ts";

/** One port for HTTP/1.1 and HTTP/2, in cleartext or, where there is a certificate, in TLS only. */
export interface Listener {
  readonly connectionCount: number;
  /** @throws the system's error if the port is taken, SettingError if a file of TLS cannot be used */
  listen(): Promise<net.AddressInfo>;
  /**
   * Takes no new connection, tells the open ones to go (`connection: close`, GOAWAY), and resolves when every
   * exchange has ended, or after `graceMs`, when what is left is cut.
   */
  close(graceMs: number): Promise<void>;
}

export interface ListenerParts {
  readonly listen: ListenSettings;
  readonly requests: Required<RequestOptions>;
  readonly onRequest: OnRequest;
  readonly onCertificates: (news: CertificateNews) => void;
  readonly clock: Clock;
}

/**
 * The sockets belong to a `net.Server`; the HTTP servers only get them handed. A server that never listens has
 * no timers of its own, so those of a connection, the table of connections and the drain are ours; Node's own
 * header timer is told that it listens, and looks after the second request of a connection and those that follow.
 */
export function listener(parts: ListenerParts): Listener {
  const { listen, requests, onRequest, onCertificates, clock } = parts;
  const { headerTimeoutMs } = requests;
  const table = connections({ limits: listen, headerTimeoutMs, clock });
  /** Who a transport belongs to, from when it is handed to an HTTP server. */
  const owners = new Map<Duplex, Connection>();
  let isDraining = false;

  const http1 = http.createServer({
    headersTimeout: headerTimeoutMs,
    // Bodies are timed where they are read, alike in every protocol.
    requestTimeout: 0,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 0,
    maxHeaderSize: 16_384,
  });
  http1.emit("listening");
  http1.on("clientError", answerMalformedRequest);
  http1.on("request", (request, response) => {
    if (isDraining) response.setHeader("connection", "close");
    exchange(owners.get(request.socket), request, response);
  });

  const http2Server = http2.createServer({
    maxSessionInvalidFrames: 100,
    settings: {
      maxConcurrentStreams: listen.maxStreamsPerConnection,
      // More once a caller of the session may use the gateway.
      initialWindowSize: strangerBytes,
      maxHeaderListSize: 16_384,
    },
    streamResetBurst: 200,
    streamResetRate: 20,
  });
  let beingHandedOn: Connection | undefined;
  http2Server.on("session", (session) => {
    session.on("error", () => {});
    session.setLocalWindowSize(1_048_576);
    const connection = beingHandedOn;
    if (!connection) return session.destroy();
    connection.endGently = () => session.close();
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
  http2Server.on("request", (request, response) => exchange(undefined, request, response));

  /** @param connection - whose exchange it is, where HTTP itself does not count them */
  function exchange(
    connection: Connection | undefined,
    request: NodeRequest,
    response: NodeResponse,
  ): void {
    connection?.begin();
    if (connection) response.once("close", () => connection.end());
    endUnreadBody(request, response, clock);
    onRequest(request, response);
  }

  function handOn(transport: Duplex, version: "http/1.1" | "h2", connection: Connection): void {
    connection.transport = transport;
    if (version === "h2") {
      beingHandedOn = connection;
      http2Server.emit("connection", transport);
      beingHandedOn = undefined;
      return;
    }
    owners.set(transport, connection);
    transport.once("close", () => owners.delete(transport));
    http1.emit("connection", transport);
  }

  const door: TlsDoor | undefined = listen.tls && tlsDoor(listen.tls, { clock, onCertificates });
  const server = net.createServer({ noDelay: true }, (socket) => {
    const connection = table.admit(socket);
    if (!connection) return;
    if (!door) return sniffHttpVersion(socket, (version) => handOn(socket, version, connection));
    door.open(socket, (secured: TLSSocket) => {
      if (secured.alpnProtocol === "h2") return handOn(secured, "h2", connection);
      handOn(secured, "http/1.1", connection);
    });
  });

  return {
    get connectionCount() {
      return table.count;
    },

    listen: () =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: listen.host, port: listen.port, backlog: 1_024 }, () => {
          server.off("error", reject);
          resolve(server.address() as net.AddressInfo);
        });
      }),

    close: async (graceMs) => {
      isDraining = true;
      using _grace = clock.setTimer(graceMs, table.destroyAll);
      server.close();
      table.drain();
      await table.empty();
      door?.close();
      // Never listened, so it says that it is not running; its timers stop all the same.
      http1.close(() => {});
      http2Server.close(() => {});
    },
  };
}
