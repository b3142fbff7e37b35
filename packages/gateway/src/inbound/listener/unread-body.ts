import type { IncomingMessage } from "node:http";
import http2 from "node:http2";
import type { Clock } from "@tensorgate/core";
import type { NodeRequest, NodeResponse } from "../node-http.ts";

/** How long a caller who was answered may go on sending, in milliseconds. */
const drainMs = 5_000;

/**
 * Ends a request whose body nobody read to its end, once it has been answered.
 *
 * HTTP/2 has a way to say stop. HTTP/1.1 has none but to cut the connection, and a caller who is cut while sending
 * loses the answer: so what still comes is thrown away for a while first.
 *
 * @see RFC 9113, section 8.1; RFC 9112, section 9.6
 */
export function endUnreadBody(request: NodeRequest, response: NodeResponse, clock: Clock): void {
  if ("stream" in request) stopStream(request.stream, clock);
  else cutSocket(request, response, clock);
}

function cutSocket(request: IncomingMessage, response: NodeResponse, clock: Clock): void {
  const { socket } = request;
  response.once("finish", () => {
    if (request.complete) return;
    const timer = clock.setTimer(drainMs, () => socket.destroy());
    // Whether it was read to its end or the connection is gone.
    request.once("close", () => timer[Symbol.dispose]());
    request.resume();
  });
}

function stopStream(stream: http2.ServerHttp2Stream, clock: Clock): void {
  stream.once("finish", () => {
    // Trailers come after "finish", and a reset would overtake them.
    const timer = clock.setTimer(drainMs, () => stream.close(http2.constants.NGHTTP2_NO_ERROR));
    stream.once("close", () => timer[Symbol.dispose]());
  });
}
