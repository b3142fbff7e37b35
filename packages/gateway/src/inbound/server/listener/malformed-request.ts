/** What the HTTP/1.1 parser refuses never becomes a request, so it is answered here. */
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
