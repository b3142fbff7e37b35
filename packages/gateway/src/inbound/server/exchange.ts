import type http from "node:http";
import type http2 from "node:http2";
import { type Clock, InvalidRequestError } from "@tensorgate/core";
import { nodeHttp2 } from "../../node-modules.ts";
import type { BodyBudget, BodyUsage } from "./body/body-budget.ts";
import { hasTooManyPieces, onTooManyPieces } from "./body/body-budget.ts";
import type { Coding, Decompress } from "./body/decompress.ts";
import { contentCoding, unsupportedEncoding } from "./body/decompress.ts";
import { type BodySink, type GrowingBuffer, readBody, wholeBody } from "./body/read-body.ts";
import type { NodeRequest, NodeResponse } from "./node-http.ts";

/** One HTTP exchange, whatever the version, as the REST protocols see it. */
export interface Exchange {
  readonly method: string;
  /** Path and query, as they came. */
  readonly target: string;
  /** Without the query; as it came, not decoded. */
  readonly path: string;
  /** @throws InvalidRequestError if it is longer than 4,096 characters */
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
  /**
   * Reads the whole body.
   * @param copyCount - how often it will be in memory when it has been understood; 1 by default
   * @throws TooLargeError as soon as it is known to be longer than `maxBytes`
   * @throws InvalidRequestError if it is not as long as declared
   * @throws NotSupportedError if it is encoded for the transfer otherwise than in chunks
   * @throws UnsupportedMediaError if it is encoded in another way than gzip
   * @throws DeadlineExceededError if it comes too slowly
   * @throws OverloadedError if the budget of all requests is exhausted
   * @throws CancelledError if the client disconnects before its end
   */
  body(maxBytes: number, copyCount?: number): Promise<Uint8Array>;
}

/** An exchange whose body counts against the budget until the work on it has ended: disposing of it says so. */
export interface OpenExchange extends Exchange, Disposable {
  /** Bytes of the body that have arrived so far. */
  readonly receivedBytes: number;
  /**
   * Reads the body into `sink`, which knows its form and its limits.
   *
   * @param copyCount - as in `body`
   * @throws what `body` throws, and what `sink` does; immediately where the headers say so
   */
  bodyInto(sink: BodySink, copyCount?: number): Promise<Uint8Array>;
  /** Leaves the memory of the body to other requests: nothing may read it any more. */
  recycle(): void;
}

/** What reading a body takes beside the request. */
export interface ExchangeDeps {
  readonly bodyBudget: Pick<BodyBudget, "open">;
  readonly decompress: Decompress;
}

/** A class, so that exchanges share their accessors: see `docs/decisions/0072-nothing-of-a-call-outlives-it.md`. */
export class HttpExchange implements OpenExchange {
  readonly method: string;
  readonly target: string;
  readonly path: string;
  readonly header: (name: string) => string | undefined;
  readonly #request: NodeRequest;
  readonly #response: NodeResponse;
  readonly #deps: ExchangeDeps;
  #query: URLSearchParams | undefined;
  #usage: BodyUsage | undefined;
  #sink: BodySink | undefined;

  constructor(request: NodeRequest, response: NodeResponse, deps: ExchangeDeps) {
    this.#request = request;
    this.#response = response;
    this.#deps = deps;
    this.method = request.method ?? "GET";
    this.target = request.url ?? "/";
    this.path = pathOf(request);
    this.header = headerOf.bind(undefined, request);
  }

  get query(): URLSearchParams {
    const length = Math.max(0, this.target.length - this.path.length - 1);
    if (length > maxQueryLength) throw queryTooLong();
    this.#query ??= new URLSearchParams(this.target.slice(this.target.length - length));
    return this.#query;
  }

  get receivedBytes(): number {
    return this.#usage?.receivedBytes ?? 0;
  }

  body(maxBytes: number, copyCount = 1): Promise<Uint8Array> {
    const { headers } = this.#request;
    const encoding = headers["content-encoding"];
    const coding = encoding === undefined ? "identity" : contentCoding(encoding);
    try {
      if (coding === undefined) throw unsupportedEncoding(encoding ?? "", "content-encoding");
      const sink = wholeBody(maxBytes, Number(headers["content-length"] ?? Number.NaN));
      if (coding === "identity") return this.bodyInto(sink, copyCount);
      return this.#unpacked(sink, { coding, maxBytes, copyCount });
    } catch (thrown) {
      return Promise.reject(thrown);
    }
  }

  async #unpacked(
    sink: GrowingBuffer,
    { coding, maxBytes, copyCount }: { coding: Coding; maxBytes: number; copyCount: number },
  ): Promise<Uint8Array> {
    const packed = await this.bodyInto(sink);
    const usage = this.#usage as BodyUsage;
    const body = await this.#deps.decompress(packed, { coding, maxBytes, account: usage });
    usage.unreserve(sink.capacity);
    usage.ensure(body.byteLength * copyCount);
    return body;
  }

  bodyInto(sink: BodySink, copyCount = 1): Promise<Uint8Array> {
    const usage = this.#deps.bodyBudget.open(this.#request, this.#response, "whole");
    usage.retain();
    this.#usage = usage;
    this.#sink = sink;
    const body = readBody(this.#request, usage, sink);
    if (copyCount === 1) return body;
    return body.then((bytes) => {
      usage.ensure(bytes.byteLength * copyCount);
      return bytes;
    });
  }

  recycle(): void {
    this.#sink?.recycle();
  }

  [Symbol.dispose](): void {
    this.#usage?.release();
  }
}

/** Longest query, in characters; decoding one costs far more than reading it. */
const maxQueryLength = 4_096;

function queryTooLong(): InvalidRequestError {
  return new InvalidRequestError(`the query is longer than ${maxQueryLength} characters`, {
    field: "query",
  });
}

/** The path of a request as it came, not decoded, without its query. */
export function pathOf({ url = "/" }: NodeRequest): string {
  const queryStart = url.indexOf("?");
  return queryStart === -1 ? url : url.slice(0, queryStart);
}

/** A header by its lower-case name; one that came several times is joined by commas. */
export function headerOf({ headers }: NodeRequest, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

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

/** Marks a request whose caller was authenticated: in a WeakSet it would cost more, and outlive the request. */
const authenticated: unique symbol = Symbol("authenticated");

type MarkedRequest = NodeRequest & { [authenticated]?: true };

const authenticatedSessions = new WeakSet<http2.Http2Session>();

/** Raises the limits of a request whose caller was authenticated. */
export function allowLongBody(request: MarkedRequest): void {
  if (!("stream" in request)) {
    request[authenticated] = true;
    return;
  }
  const { session } = request.stream;
  if (!session || session.destroyed || authenticatedSessions.has(session)) return;
  authenticatedSessions.add(session);
  // This holds for streams that are open as well.
  session.settings({ initialWindowSize: authenticatedWindow });
}

/**
 * Closes a connection of HTTP/1.1 whose request was answered before its body had come: to be called when the response is
 * about to end.
 *
 * Only the end of the connection stops the body, and a client that is cut while it sends may lose the response. So the
 * remaining body is discarded for a while, within the limit of this client; then the sending side is closed first, and
 * the connection a little later. Of a body in too many small pieces nothing more is discarded.
 *
 * @see RFC 9112, section 9.6
 */
export function closeLingering(
  request: http.IncomingMessage & MarkedRequest,
  response: http.ServerResponse,
  clock: Clock,
): void {
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

  function drain(): void {
    if (request.complete) return;
    leftBytes = request[authenticated] ? maxAuthenticatedBytes : maxUnauthenticatedBytes;
    // The body was read to its end, or the connection is closed.
    request.once("close", () => timer?.[Symbol.dispose]());
    if (Number(request.headers["content-length"] ?? 0) > leftBytes) {
      stop();
      return;
    }
    timer = clock.setTimer(drainMs, () => socket.destroy());
    // First of all: a body that was being read frees what it has copied.
    request.prependListener("data", onData);
    request.resume();
    onTooManyPieces(request, stop);
  }

  // Node discards, unbounded, what was never read.
  request.read(0);
  // After a `connection: close` it would cut the connection with the answer still on its way.
  const endSoon = () => void socket.end();
  socket.destroySoon = endSoon;
  request.once("close", () => Reflect.deleteProperty(socket, "destroySoon"));
  response.once("finish", drain);
}

/**
 * Resets a stream of HTTP/2 whose body is not read to its end, once the request has been answered. Until then its window
 * limits what arrives.
 *
 * @see RFC 9113, section 8.1
 */
export function stopUnread(
  request: http2.Http2ServerRequest,
  response: NodeResponse,
  clock: Clock,
): void {
  const { stream } = request;
  let leftBytes = maxUnauthenticatedBytes;
  let timer: Disposable | undefined;
  let isReset = false;

  function close(): void {
    leftBytes = Number.POSITIVE_INFINITY;
    stream.close(nodeHttp2().constants.NGHTTP2_NO_ERROR);
    request.resume();
  }

  function closeIn(delayMs: number): void {
    timer?.[Symbol.dispose]();
    timer = clock.setTimer(delayMs, close);
  }

  onTooManyPieces(request, () => {
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
    closeIn(hasTooManyPieces(request) ? 0 : lingerMs);
    stream.once("close", () => timer?.[Symbol.dispose]());
  });
}
