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
 * How long a call may get no byte before its connection is pinged, in milliseconds: ends calls without a time-out on a
 * lost connection. Servers of gRPC close on clients that ping more often.
 * @see gRPC, "Keepalive User Guide": GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS
 */
const pingIntervalMs = 301_000;

/**
 * Opens HTTP/2 connections to `url`.
 *
 * A session of Node may report the same failure twice, the second time when the library has removed its listener, which
 * without a listener of ours would end the process. Seen where the server speaks HTTP/1.1.
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
