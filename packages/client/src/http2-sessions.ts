import type { ClientHttp2Stream, Http2Session } from "node:http2";
import { Http2SessionManager } from "@connectrpc/connect-node";

/** Connections of HTTP/2 to one server, as the library keeps them. */
export interface Http2Sessions extends Pick<Http2SessionManager, "authority" | "request"> {
  notifyResponseByteRead(stream: ClientHttp2Stream): void;
  /** Ends the connections that are kept open. */
  close(): void;
}

/**
 * A session of Node's may tell the same failure twice, the second time when the library has stopped to listen: without
 * a listener of ours that would end the process. Seen where a server of HTTP/1.1 answers.
 */
export function http2Sessions(url: string): Http2Sessions {
  const manager = new Http2SessionManager(url);
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
