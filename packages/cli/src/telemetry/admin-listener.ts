import type http from "node:http";
import type http2 from "node:http2";
import net from "node:net";
import { sniffHttpVersion } from "@tensorgate/gateway";

/** One port for HTTP/1.1 and HTTP/2 without TLS, which gRPC needs. */
export interface AdminListener {
  /** @throws the error of the system if the port is in use */
  listen(address: { readonly host: string; readonly port: number }): Promise<net.AddressInfo>;
  /** Closes the port and all connections. */
  close(): Promise<void>;
}

/** Longest time until a request has arrived, in milliseconds. */
const requestTimeoutMs = 10_000;

/** Requests of a connection at the same time. */
const maxConcurrentStreams = 100;

/** @param onRequest - gets requests of both versions of HTTP; Node gives those of HTTP/2 the same members */
export function createAdminListener(onRequest: http.RequestListener): AdminListener {
  // Not imported: see docs/decisions/0082-what-a-start-loads.md.
  const http1 = process
    .getBuiltinModule("node:http")
    .createServer(
      { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
      onRequest,
    );
  // A server that does not listen has timers only after this event.
  http1.emit("listening");
  let http2Server: http2.Http2Server | undefined;
  /** Created for the first connection that needs it: `node:http2` takes memory. */
  function createHttp2Server(): http2.Http2Server {
    const created = process
      .getBuiltinModule("node:http2")
      .createServer(
        { settings: { maxConcurrentStreams } },
        onRequest as unknown as (
          request: http2.Http2ServerRequest,
          response: http2.Http2ServerResponse,
        ) => void,
      );
    created.on("session", (session) => session.on("error", () => {}));
    return created;
  }

  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    const cut = () => socket.destroy();
    socket.setTimeout(requestTimeoutMs, cut);
    sniffHttpVersion(socket, (version) => {
      socket.setTimeout(0, cut);
      if (version === "http/1.1") return void http1.emit("connection", socket);
      http2Server ??= createHttp2Server();
      http2Server.emit("connection", socket);
    });
  });

  return {
    listen: (address) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(address, () => {
          server.off("error", reject);
          // A connection that could not be accepted, for want of files or memory: the next one may be.
          server.on("error", () => {});
          resolve(server.address() as net.AddressInfo);
        });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
        // They never listened, and stop their timers all the same.
        http1.close(() => {});
        http2Server?.close(() => {});
      }),
  };
}
