import http2 from "node:http2";
import type { Clock } from "@tensorgate/core";
import type { NodeRequest, NodeResponse } from "../node-http.ts";

/** Most that is read of a request whose caller has shown no valid key, where keys are asked for, in bytes. */
export const strangerBytes = 65_536;

/** Most that is discarded of what a caller with a valid key sends after the answer, in bytes. */
const knownCallerBytes = 67_108_864;

/** Bytes that a piece counts for at least when it is discarded: the work of one is the same, however short it is. */
const minPieceBytes = 4_096;

/** How much a caller with a valid key may send ahead on one stream of HTTP/2, in bytes. */
const knownCallerWindow = 262_144;

/** How long a caller who was answered may go on sending, in milliseconds. */
const drainMs = 5_000;

/** How long a connection or stream whose body is read no more stays open for the answer to arrive, in milliseconds. */
const lingerMs = 1_000;

const knownRequests = new WeakSet<NodeRequest>();
const knownSessions = new WeakSet<http2.Http2Session>();
const hurried = new WeakMap<http2.Http2Stream, "with the answer" | "soon">();

/** Lets a request be long, since its caller may use the gateway. */
export function allowLongBody(request: NodeRequest): void {
  if (!("stream" in request)) return void knownRequests.add(request);
  const { session } = request.stream;
  if (!session || session.destroyed || knownSessions.has(session)) return;
  knownSessions.add(session);
  // This holds for streams that are open as well.
  session.settings({ initialWindowSize: knownCallerWindow });
}

/**
 * Has the stream of a request reset with its answer, where that has not begun: what comes in frames of a few bytes costs
 * work for every one of them until then, and the window bounds only their bytes. Of no effect over HTTP/1.1.
 */
export function hurryReset(request: NodeRequest, { headersSent }: NodeResponse): void {
  if ("stream" in request) hurried.set(request.stream, headersSent ? "soon" : "with the answer");
}

/**
 * Drains or stops a request body that was not read to its end, once the request has been answered.
 *
 * HTTP/2 has a way to say stop, and until then the window of the stream bounds what comes. HTTP/1.1 has none but to cut
 * the connection, and a caller who is cut while sending may lose the answer: so what still comes is discarded for a
 * while, within what this caller may send; then our side is closed first, and the connection a little later.
 *
 * @see RFC 9113, section 8.1; RFC 9112, section 9.6
 */
export function closeLingering(request: NodeRequest, response: NodeResponse, clock: Clock): void {
  if ("stream" in request) {
    stopStream(request, clock);
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
    leftBytes = knownRequests.has(request) ? knownCallerBytes : strangerBytes;
    // Whether it was read to its end or the connection is gone.
    request.once("close", () => timer?.[Symbol.dispose]());
    if (Number(request.headers["content-length"] ?? 0) > leftBytes) {
      stop();
      return;
    }
    timer = clock.setTimer(drainMs, () => socket.destroy());
    request.on("data", onData);
    request.resume();
  }
}

function stopStream(request: http2.Http2ServerRequest, clock: Clock): void {
  const { stream } = request;
  let leftBytes = strangerBytes;

  function close(): void {
    leftBytes = Number.POSITIVE_INFINITY;
    stream.close(http2.constants.NGHTTP2_NO_ERROR);
    request.resume();
  }

  stream.once("finish", () => {
    const hurry = hurried.get(stream);
    if (hurry === "with the answer") {
      close();
      return;
    }
    // A body that is at its end must be read to it, or the stream is never closed, nor the connection that it was on.
    request.on("data", (piece: Buffer) => {
      leftBytes -= piece.byteLength;
      if (leftBytes <= 0) request.pause();
    });
    request.resume();
    // Trailers come after "finish", and a reset would overtake them.
    const timer = clock.setTimer(hurry ? 0 : lingerMs, close);
    stream.once("close", () => timer[Symbol.dispose]());
  });
}
