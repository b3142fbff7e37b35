import type { ClientHttp2Stream, Http2Session } from "node:http2";
import { Http2SessionManager } from "@connectrpc/connect-node";
import { maxIdleMs } from "./connection-leases.ts";

/** HTTP/2 connections to one server, as the library keeps them. */
export interface Http2Sessions extends Pick<Http2SessionManager, "authority" | "request"> {
  notifyResponseByteRead(stream: ClientHttp2Stream): void;
  /** Closes the connections that are kept open. */
  close(): void;
}

/**
 * Time without a byte after which the connection of a call is pinged, in milliseconds: it ends calls without a time-out on
 * a lost connection. gRPC servers close connections that ping more often.
 * @see gRPC, "Keepalive User Guide": GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS
 */
const pingIntervalMs = 301_000;

/**
 * Opens HTTP/2 connections to `url`.
 *
 * A session may report the same failure twice, the second time after the library has removed its listener. Without another
 * listener that ends the process. Seen with servers that speak HTTP/1.1 only.
 */
export function createHttp2Sessions(url: string): Http2Sessions {
  const manager = new Http2SessionManager(url, {
    idleConnectionTimeoutMs: maxIdleMs,
    pingIntervalMs,
  });
  const guarded = new WeakSet<Http2Session>();
  return {
    authority: manager.authority,
    request: async (...request) => {
      const stream = await manager.request(...request);
      const { session } = stream;
      if (session && !guarded.has(session)) {
        guarded.add(session);
        session.on("error", () => {});
      }
      return stream;
    },
    notifyResponseByteRead: (stream) => manager.notifyResponseByteRead(stream),
    close: () => manager.abort(),
  };
}
