import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { http2Sessions } from "./http2-sessions.ts";
import { maxReplyBytes } from "./reply-limit.ts";

export interface OpenTransport {
  readonly transport: Transport;
  /** Ends connections that are kept open. */
  close(): void;
}

/** Connections that are kept open to the gateway over HTTP/1.1. */
const maxSockets = 64;

export function openTransport(kind: "connect" | "grpc" | Transport, baseUrl: URL): OpenTransport {
  if (typeof kind !== "string") return { transport: kind, close: () => {} };
  const url = baseUrl.href.replace(/\/$/, "");
  if (kind === "grpc") {
    const sessionManager = http2Sessions(url);
    const transport = createGrpcTransport({
      baseUrl: url,
      sessionManager,
      readMaxBytes: maxReplyBytes,
    });
    return { transport, close: () => sessionManager.close() };
  }
  const options = { keepAlive: true, maxSockets };
  const agent = baseUrl.protocol === "https:" ? new HttpsAgent(options) : new HttpAgent(options);
  const transport = createConnectTransport({
    baseUrl: url,
    httpVersion: "1.1",
    useBinaryFormat: true,
    readMaxBytes: maxReplyBytes,
    nodeOptions: { agent },
  });
  return { transport, close: () => agent.destroy() };
}
