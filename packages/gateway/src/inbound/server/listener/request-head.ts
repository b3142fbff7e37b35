import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Duplex } from "node:stream";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/**
 * Detects the version of HTTP from the first bytes, and puts them back.
 *
 * The socket must not be resumed by hand afterwards: an HTTP/2 session would lose what was put back.
 *
 * @see RFC 9113, section 3.4
 */
export function sniffHttpVersion(
  socket: Duplex,
  onVersion: (version: "http/1.1" | "h2") => void,
): void {
  let seen: Buffer = Buffer.alloc(0);
  const onReadable = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.length, preface.length);
    const couldBeHttp2 = preface.subarray(0, compared).equals(seen.subarray(0, compared));
    if (couldBeHttp2 && seen.length < preface.length) return;
    socket.off("readable", onReadable);
    socket.unshift(seen);
    onVersion(couldBeHttp2 ? "h2" : "http/1.1");
  };
  socket.on("readable", onReadable);
}

/** A host name or address, perhaps with a port; RFC 3986 allows more characters than any of ours has. */
const authorityForm = /^[^\s/?#@\\]*$/;

/** A target in absolute form, as clients send it to a proxy: its authority counts, not that of the `Host` header. */
const absoluteForm = /^https?:\/\/([^/?#]*)([^#]*)$/i;

/**
 * Finds which host a request over HTTP/1.1 is meant for, and leaves it in one form: a path in `url`, the host in the
 * headers.
 *
 * @returns false if that is ambiguous or malformed: a proxy before us may have read it in another way
 * @see RFC 9112, section 3.2
 */
export function hasOneHost(request: IncomingMessage): boolean {
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

/**
 * The same over HTTP/2.
 *
 * @see RFC 9113, section 8.3.1
 */
export function hasOneAuthority({ headers }: Http2ServerRequest): boolean {
  const { ":authority": authority, host } = headers;
  if (Array.isArray(host) || !authorityForm.test(authority ?? host ?? "")) return false;
  // node:http2 joins what came twice, and so does what a proxy and its caller each added.
  return authority === undefined || host === undefined || authority === host;
}

/** Responds to what the HTTP/1.1 parser rejects: it never becomes a request. */
export function answerMalformedRequest(
  error: NodeJS.ErrnoException,
  socket: NodeJS.WritableStream,
): void {
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
