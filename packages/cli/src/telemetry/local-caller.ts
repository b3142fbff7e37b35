import type { IncomingMessage } from "node:http";

export interface LocalRefusal {
  readonly status: 403 | 415;
  readonly message: string;
}

/**
 * Returns why a request is rejected that only programs on this machine may make, without a key.
 *
 * The port may be bound to other addresses, for metrics; a form on any web page can post to it from a browser on this machine;
 * and any host name can resolve to 127.0.0.1 (DNS rebinding).
 *
 * @param isRpc - whether it calls a method, which takes no content type that a form can send
 */
export function localRefusal(
  { socket, headers, method }: Pick<IncomingMessage, "socket" | "headers" | "method">,
  isRpc = false,
): LocalRefusal | undefined {
  if (!loopbackAddress.test(socket.remoteAddress ?? "")) {
    return { status: 403, message: "only programs on the gateway's machine may do this" };
  }
  // HTTP/2 has it in a pseudo-header.
  if (!loopbackHost.test(headers.host ?? String(headers[":authority"] ?? ""))) {
    return { status: 403, message: "use localhost or 127.0.0.1" };
  }
  // Browsers send one of these headers, also for the same origin; programs do not.
  if (headers.origin !== undefined || headers["sec-fetch-site"] !== undefined) {
    return { status: 403, message: "web pages may not do this" };
  }
  const [type] = (headers["content-type"] ?? "").split(";", 1);
  if (method === "POST" && !isRpc && type?.trim().toLowerCase() !== "application/json") {
    return { status: 415, message: "send content-type: application/json" };
  }
  return undefined;
}

const loopbackAddress = /^(::1|(::ffff:)?127(\.\d{1,3}){3})$/;

const loopbackHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;
