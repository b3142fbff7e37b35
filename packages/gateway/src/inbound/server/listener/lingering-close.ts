import http2 from "node:http2";
import type { Clock } from "@tensorgate/core";
import { pieceLimitOf } from "../body/piece-limit.ts";
import type { NodeRequest, NodeResponse } from "../node-http.ts";

/** Most that is read of a request without a valid key, if keys are configured, in bytes. */
export const maxUnauthenticatedBytes = 65_536;

/** Most that is discarded of what a client with a valid key sends after the response, in bytes. */
const maxAuthenticatedBytes = 67_108_864;

/** Bytes that a piece counts for at least when it is discarded: the work of one is the same, however short it is. */
const minPieceBytes = 4_096;

/** Flow-control window of each HTTP/2 stream of a client with a valid key, in bytes. */
const authenticatedWindow = 262_144;

/** How long a client may go on sending after the response, in milliseconds. */
const drainMs = 5_000;

/** How long a connection or stream whose body is no longer read stays open for the response to arrive, in milliseconds. */
const lingerMs = 1_000;

const authenticatedRequests = new WeakSet<NodeRequest>();
const authenticatedSessions = new WeakSet<http2.Http2Session>();

/** Raises the limits of a request whose caller was authenticated. */
export function allowLongBody(request: NodeRequest): void {
  if (!("stream" in request)) return void authenticatedRequests.add(request);
  const { session } = request.stream;
  if (!session || session.destroyed || authenticatedSessions.has(session)) return;
  authenticatedSessions.add(session);
  // This holds for streams that are open as well.
  session.settings({ initialWindowSize: authenticatedWindow });
}

/**
 * Drains or stops a request body that was not read to its end, once the request has been answered.
 *
 * HTTP/2 can reset a stream, and until then its window limits what arrives. HTTP/1.1 can only close the connection, and a
 * client that is cut while it sends may lose the response. So the remaining body is discarded for a while, within the
 * limit of this client; then the sending side is closed first, and the connection a little later. Of a body in too many
 * small pieces nothing more is discarded.
 *
 * @see RFC 9113, section 8.1; RFC 9112, section 9.6
 */
export function closeLingering(request: NodeRequest, response: NodeResponse, clock: Clock): void {
  if ("stream" in request) {
    stopStream(request, response, clock);
    return;
  }
  const { socket } = request;
  let timer: Disposable | undefined;

  function stop(): void {
    timer?.[Symbol.dispose]();
    request.off("data", onData);
    request.pause();
    socket.end();
    timer = clock.setTimer(lingerMs, () => socket.destroy());
  }

  let leftBytes = 0;
  const onData = (chunk: Buffer) => {
    leftBytes -= Math.max(chunk.length, minPieceBytes);
    if (leftBytes < 0) stop();
  };

  response.once("prefinish", () => {
    if (request.complete) return;
    // Node discards, unbounded, what was never read.
    request.read(0);
    // After a `connection: close` it would cut the connection with the answer still on its way.
    socket.destroySoon = () => socket.end();
    request.once("close", () => Reflect.deleteProperty(socket, "destroySoon"));
    response.once("finish", drain);
  });

  function drain(): void {
    if (request.complete) return;
    const isAuthenticated = authenticatedRequests.has(request);
    leftBytes = isAuthenticated ? maxAuthenticatedBytes : maxUnauthenticatedBytes;
    // The body was read to its end, or the connection is closed.
    request.once("close", () => timer?.[Symbol.dispose]());
    if (Number(request.headers["content-length"] ?? 0) > leftBytes) {
      stop();
      return;
    }
    timer = clock.setTimer(drainMs, () => socket.destroy());
    request.on("data", onData);
    request.resume();
    pieceLimitOf(request)?.onExceeded(stop);
  }
}

function stopStream(request: http2.Http2ServerRequest, response: NodeResponse, clock: Clock): void {
  const { stream } = request;
  let leftBytes = maxUnauthenticatedBytes;
  let timer: Disposable | undefined;
  let isReset = false;

  function close(): void {
    leftBytes = Number.POSITIVE_INFINITY;
    stream.close(http2.constants.NGHTTP2_NO_ERROR);
    request.resume();
  }

  function closeIn(delayMs: number): void {
    timer?.[Symbol.dispose]();
    timer = clock.setTimer(delayMs, close);
  }

  pieceLimitOf(request)?.onExceeded(() => {
    // A response that has not begun has no trailers, and the stream can be reset with it.
    isReset = !response.headersSent;
    if (timer) closeIn(0);
  });
  stream.once("finish", () => {
    if (isReset) return close();
    // A body that is at its end must be read to it, or the stream is never closed, nor the connection that it was on.
    request.on("data", (piece: Buffer) => {
      leftBytes -= piece.byteLength;
      if (leftBytes <= 0) request.pause();
    });
    request.resume();
    // Trailers come after "finish", and a reset would overtake them.
    closeIn(pieceLimitOf(request)?.isExceeded ? 0 : lingerMs);
    stream.once("close", () => timer?.[Symbol.dispose]());
  });
}
