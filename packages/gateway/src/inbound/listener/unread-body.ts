import http2 from "node:http2";
import type { Clock } from "@tensorgate/core";
import type { NodeRequest, NodeResponse } from "../node-http.ts";

/** How long a caller who was answered may go on sending on HTTP/1.1, in milliseconds. */
const drainMs = 2_000;

/**
 * Ends a request whose body nobody read to its end, once it has been answered.
 *
 * HTTP/2 is told to stop. On HTTP/1.1 the only way to say so is to cut the connection, and a caller who is cut
 * while sending loses the answer: so what still comes is thrown away for a while first.
 *
 * @see RFC 9113, section 8.1; RFC 9112, section 9.6
 */
export function endUnreadBody(request: NodeRequest, response: NodeResponse, clock: Clock): void {
  response.once("finish", () => {
    if (request.complete || request.readableEnded) return;
    if ("stream" in request) {
      if (!request.stream.closed) request.stream.close(http2.constants.NGHTTP2_NO_ERROR);
      return;
    }
    const { socket } = request;
    const timer = clock.setTimer(drainMs, () => socket.destroy());
    // Whether it was read to its end or the connection is gone.
    request.once("close", () => timer[Symbol.dispose]());
    request.resume();
  });
}
