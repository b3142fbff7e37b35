import type { IncomingMessage } from "node:http";
import http2 from "node:http2";
import type { Clock } from "@tensorgate/core";
import type { NodeRequest, NodeResponse } from "../node-http.ts";

/** How long a caller who was answered may go on sending, in milliseconds. */
const drainMs = 5_000;

/** How much of what an HTTP/2 caller sends after the answer is read and thrown away, in bytes; no window opens for more. */
const maxDrainBytes = 65_536;

/**
 * Ends a request whose body nobody read to its end, once it has been answered.
 *
 * HTTP/2 has a way to say stop. HTTP/1.1 has none but to cut the connection, and a caller who is cut while sending
 * loses the answer: so what still comes is thrown away for a while first.
 *
 * @see RFC 9113, section 8.1; RFC 9112, section 9.6
 */
export function endUnreadBody(request: NodeRequest, response: NodeResponse, clock: Clock): void {
  if ("stream" in request) stopStream(request, clock);
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

function stopStream(request: http2.Http2ServerRequest, clock: Clock): void {
  const { stream } = request;
  stream.once("finish", () => {
    // A body that is at its end must be read to it, or the stream is never closed, nor the connection that it was on.
    let leftBytes = maxDrainBytes;
    request.on("data", (piece: Buffer) => {
      leftBytes -= piece.byteLength;
      if (leftBytes <= 0) request.pause();
    });
    request.resume();
    // Trailers come after "finish", and a reset would overtake them.
    const timer = clock.setTimer(drainMs, () => {
      leftBytes = Number.POSITIVE_INFINITY;
      stream.close(http2.constants.NGHTTP2_NO_ERROR);
      request.resume();
    });
    stream.once("close", () => timer[Symbol.dispose]());
  });
}
