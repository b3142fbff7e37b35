import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import type { Clock } from "@tensorgate/core";
import type { ListenOptions, RequestOptions } from "./options.ts";

/** Answers one HTTP exchange of either version. */
export type OnRequest = (request: NodeRequest, response: NodeResponse) => void;
export type NodeRequest = http.IncomingMessage | http2.Http2ServerRequest;
export type NodeResponse = http.ServerResponse | http2.Http2ServerResponse;

/** One port for HTTP/1.1 and HTTP/2 in cleartext. */
export interface Listener {
  listen(): Promise<net.AddressInfo>;
  /**
   * Takes no new connection, tells the open ones to go (`connection: close`, GOAWAY), and resolves when every
   * exchange has ended, or after `graceMs`, when what is left is cut.
   */
  close(graceMs: number): Promise<void>;
}

export interface ListenerParts {
  readonly listen: Required<ListenOptions>;
  readonly requests: Required<RequestOptions>;
  readonly onRequest: OnRequest;
  readonly clock: Clock;
}

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/**
 * The sockets belong to a `net.Server`; the HTTP servers only get them handed. A server that never listens has
 * no timers of its own, so the one for a silent socket and the drain are here, and the HTTP/1 one is told
 * that it listens, which starts its header and request timers.
 */
export function listener({ listen, requests, onRequest, clock }: ListenerParts): Listener {
  const sockets = new Set<net.Socket>();
  const sessions = new Set<http2.ServerHttp2Session>();
  const idle = new Set<net.Socket>();
  let isDraining = false;
  let whenEmpty: (() => void) | undefined;

  const http1 = http.createServer({
    headersTimeout: requests.headerTimeoutMs,
    requestTimeout: requests.requestTimeoutMs,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 16_384,
  });
  http1.emit("listening");
  http1.on("request", (request, response) => {
    const { socket } = request;
    idle.delete(socket);
    if (isDraining) response.setHeader("connection", "close");
    response.once("close", () => {
      if (isDraining) socket.destroySoon();
      else idle.add(socket);
    });
    onRequest(request, response);
  });
  http1.on("clientError", answerMalformedRequest);

  const plainHttp2 = http2.createServer({
    maxSessionInvalidFrames: 100,
    settings: { maxConcurrentStreams: 100, initialWindowSize: 262_144, maxHeaderListSize: 16_384 },
    streamResetBurst: 200,
    streamResetRate: 20,
  });
  plainHttp2.on("session", (session) => {
    sessions.add(session);
    session.setLocalWindowSize(1_048_576);
    session.once("close", () => sessions.delete(session));
    session.on("error", () => {});
    if (isDraining) session.close();
  });
  plainHttp2.on("request", onRequest);

  const server = net.createServer({ pauseOnConnect: false, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => {
      sockets.delete(socket);
      idle.delete(socket);
      if (sockets.size === 0) whenEmpty?.();
    });
    if (isDraining) return void socket.destroy();
    sniff(socket);
  });

  /** Reads until the first bytes tell the version, puts them back and hands the socket on. */
  function sniff(socket: net.Socket): void {
    idle.add(socket);
    const timer = clock.setTimer(requests.headerTimeoutMs, () => socket.destroy());
    socket.once("close", () => timer[Symbol.dispose]());
    let seen: Buffer = Buffer.alloc(0);

    const onReadable = () => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const compared = Math.min(seen.length, preface.length);
      const couldBeHttp2 = preface.subarray(0, compared).equals(seen.subarray(0, compared));
      if (couldBeHttp2 && seen.length < preface.length) return;

      socket.off("readable", onReadable);
      timer[Symbol.dispose]();
      socket.unshift(seen);
      if (couldBeHttp2) idle.delete(socket);
      (couldBeHttp2 ? plainHttp2 : http1).emit("connection", socket);
    };
    socket.on("readable", onReadable);
  }

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: listen.host, port: listen.port }, () => {
          server.off("error", reject);
          resolve(server.address() as net.AddressInfo);
        });
      }),

    close: (graceMs) =>
      new Promise((resolve) => {
        isDraining = true;
        const finish = () => {
          grace[Symbol.dispose]();
          // Never listened, so it says that it is not running; its timers stop all the same.
          http1.close(() => {});
          plainHttp2.close(() => {});
          resolve();
        };
        const grace = clock.setTimer(graceMs, () => {
          for (const session of sessions) session.destroy();
          for (const socket of sockets) socket.destroy();
        });
        whenEmpty = finish;
        server.close();
        for (const session of sessions) session.close();
        for (const socket of idle) socket.destroy();
        if (sockets.size === 0) finish();
      }),
  };
}

/** What the parser refuses never becomes a request, so it is answered here. */
function answerMalformedRequest(error: NodeJS.ErrnoException, socket: NodeJS.WritableStream): void {
  const status = statusOfParserError(error.code);
  if (!socket.writable || status === undefined) {
    if ("destroy" in socket && typeof socket.destroy === "function") socket.destroy();
    return;
  }
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}

/** @returns undefined where the connection is gone anyway */
function statusOfParserError(code: string | undefined): string | undefined {
  switch (code) {
    case "ECONNRESET":
    case "EPIPE":
      return undefined;
    case "HPE_HEADER_OVERFLOW":
      return "431 Request Header Fields Too Large";
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return "408 Request Timeout";
    default:
      return "400 Bad Request";
  }
}
