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
