import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { NodeRequest } from "../node-http.ts";

/**
 * Finds which host a request is meant for, and leaves it in one form: a path in `url`, the authority in the headers.
 *
 * @returns false if that is ambiguous or malformed: a proxy before us may have read it in another way
 * @see RFC 9112, section 3.2; RFC 9113, section 8.3.1
 */
export function hasOneHost(request: NodeRequest): boolean {
  return "stream" in request ? hasOneAuthority(request) : hasOneHostHeader(request);
}

/** A host name or address, perhaps with a port; RFC 3986 allows more characters than any of ours has. */
const authorityForm = /^[^\s/?#@\\]*$/;

/** A target in absolute form, as clients send it to a proxy: its authority counts, not that of the `Host` header. */
const absoluteForm = /^https?:\/\/([^/?#]*)([^#]*)$/i;

function hasOneHostHeader(request: IncomingMessage): boolean {
  const { rawHeaders, headers } = request;
  let hostCount = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === "host") hostCount += 1;
  }
  if (hostCount > 1 || !authorityForm.test(headers.host ?? "")) return false;
  const target = request.url ?? "/";
  if (target.startsWith("/") || target === "*") return true;
  const [, authority, path = ""] = absoluteForm.exec(target) ?? [];
  if (!authority || !authorityForm.test(authority)) return false;
  headers.host = authority;
  request.url = path.startsWith("/") ? path : `/${path}`;
  return true;
}

function hasOneAuthority({ headers }: Http2ServerRequest): boolean {
  const { ":authority": authority, host } = headers;
  if (Array.isArray(host) || !authorityForm.test(authority ?? host ?? "")) return false;
  // node:http2 joins what came twice, and so does what a proxy and its caller each added.
  return authority === undefined || host === undefined || authority === host;
}
