import http, { type AgentOptions, Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { maxIdleMs } from "./connection-leases.ts";
import { createHttp2Sessions } from "./http2-sessions.ts";
import { createLeasedTransport, type OpenTransport } from "./leased-transport.ts";
import { maxReplyBytes } from "./reply-limit.ts";

/** Connections that are kept open to the gateway over HTTP/1.1. */
const maxSockets = 64;

export function openTransport(kind: "connect" | "grpc" | Transport, baseUrl: URL): OpenTransport {
  if (typeof kind !== "string") return { transport: kind, close: () => {} };
  return kind === "grpc" ? openGrpcTransport(baseUrl.href) : openConnectTransport(baseUrl);
}

/** Opens a transport that sends gRPC over one HTTP/2 connection. */
export function openGrpcTransport(url: string): OpenTransport {
  const baseUrl = withoutTrailingSlash(url);
  return createLeasedTransport(() => {
    const sessionManager = createHttp2Sessions(baseUrl);
    const transport = createGrpcTransport({ baseUrl, sessionManager, readMaxBytes: maxReplyBytes });
    return { transport, close: () => sessionManager.close() };
  });
}

function openConnectTransport({ href, protocol }: URL): OpenTransport {
  const options = { keepAlive: true, maxSockets, timeout: maxIdleMs, ...processProxy() };
  return createLeasedTransport(() => {
    const agent = protocol === "https:" ? new HttpsAgent(options) : new HttpAgent(options);
    const transport = createConnectTransport({
      baseUrl: withoutTrailingSlash(href),
      httpVersion: "1.1",
      useBinaryFormat: true,
      readMaxBytes: maxReplyBytes,
      nodeOptions: { agent },
    });
    return { transport, close: () => agent.destroy() };
  });
}

/**
 * Returns the proxy of the process (`NODE_USE_ENV_PROXY`, `setGlobalProxyFromEnv`), which Node gives only to its own agents.
 * The agent is read at each call of this function, since Node replaces it.
 */
function processProxy(): Pick<AgentOptions, "proxyEnv"> {
  // The types lack the options of an agent.
  const { options } = http.globalAgent as { readonly options?: AgentOptions };
  return options?.proxyEnv ? { proxyEnv: options.proxyEnv } : {};
}

function withoutTrailingSlash(url: string): string {
  return url.replace(/\/$/, "");
}
