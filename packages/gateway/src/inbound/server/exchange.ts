import { InvalidRequestError, OverloadedError, UnsupportedMediaError } from "@tensorgate/core";
import type { BodyBudget, BodyUsage } from "./body/body-budget.ts";
import type { GrowingBuffer } from "./body/growing-buffer.ts";
import type { Gunzip } from "./body/gunzip.ts";
import { bodyTooLarge, readBody } from "./body/read-body.ts";
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
  /** Leaves the memory of the body to other requests: nothing may read it any more. */
  recycle(): void;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** What reading a body takes beside the request. */
export interface ExchangeDeps {
  readonly bodyBudget: Pick<BodyBudget, "open">;
  readonly gunzip: Gunzip;
}

export function createExchange(
  request: NodeRequest,
  response: NodeResponse,
  { bodyBudget, gunzip }: ExchangeDeps,
): OpenExchange {
  const { url = "/", method = "GET", headers } = request;
  const queryStart = url.indexOf("?");
  let query: URLSearchParams | undefined;
  let usage: BodyUsage | undefined;
  let retained: Disposable | undefined;
  let received: GrowingBuffer | undefined;

  return {
    method,
    target: url,
    path: queryStart === -1 ? url : url.slice(0, queryStart),
    get query() {
      const length = queryStart === -1 ? 0 : url.length - queryStart - 1;
      if (length > maxQueryLength) throw queryTooLong();
      query ??= new URLSearchParams(url.slice(url.length - length));
      return query;
    },
    header: headerOf.bind(undefined, request),
    get receivedBytes() {
      return usage?.receivedBytes ?? 0;
    },
    body: async (maxBytes, copyCount = 1) => {
      const encoding = headers["content-encoding"];
      const coding = encoding === undefined ? "identity" : contentCoding(encoding);
      if (coding === undefined) throw unsupportedEncoding(encoding ?? "", "content-encoding");
      const isPacked = coding === "gzip";
      const declaredBytes = Number(headers["content-length"] ?? Number.NaN);
      if (declaredBytes > maxBytes) throw bodyTooLarge(maxBytes);
      usage = bodyBudget.open(request, response, "whole");
      retained = usage.retain();
      received = await readBody(request, { maxBytes, declaredBytes, usage });
      let body = await received.whole();
      if (isPacked) {
        body = await gunzip(body, maxBytes, usage.reserve);
        usage.release(received.capacity);
      }
      if (isPacked || copyCount > 1) usage.ensure(body.byteLength * copyCount);
      return body;
    },
    recycle: () => received?.recycle(),
    [Symbol.dispose]: () => retained?.[Symbol.dispose](),
  };
}

/** Longest query, in characters; decoding one costs far more than reading it. */
const maxQueryLength = 4_096;

function queryTooLong(): InvalidRequestError {
  return new InvalidRequestError(`the query is longer than ${maxQueryLength} characters`, {
    field: "query",
  });
}

/**
 * Reads the value of a header such as `content-encoding`.
 *
 * @returns undefined for any coding but one `gzip`, under either of its names, or none: not `br`, not two of them
 * @see RFC 9110, section 8.4.1.3
 */
export function contentCoding(value: string | undefined): "gzip" | "identity" | undefined {
  const name = value?.trim().toLowerCase() || "identity";
  if (name === "gzip" || name === "x-gzip") return "gzip";
  return name === "identity" ? name : undefined;
}

/** @param field - the header that names the encoding */
export function unsupportedEncoding(encoding: string, field: string): UnsupportedMediaError {
  return new UnsupportedMediaError(`unsupported encoding "${encoding.slice(0, 40)}"`, {
    isEncoding: true,
    field,
    hint: "send it uncompressed or as gzip; compression does not shrink pictures",
  });
}

/** A header by its lower-case name; one that came several times is joined by commas. */
export function headerOf({ headers }: NodeRequest, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/** The part of one response that the client has not read yet: counted, and timed. */
export interface Outflow {
  /** Counts bytes that are about to be written, until they have left the process. */
  hold(byteCount: number): void;
  /** Says that so many of them were written now. */
  wrote(byteCount: number): void;
  /** Whether all answers and requests together may hold so much more. */
  hasRoom(byteCount: number): boolean;
}

/** The outflow of each response; the listener sets it. */
export const outflows: WeakMap<NodeResponse, Outflow> = new WeakMap();

/** A longer response is written in slices of this many bytes, so that a slow reader differs from one that reads nothing. */
export const sliceBytes = 16_384;

/** Longest response that is sent whatever the budget, in bytes: errors, probes and the responses of most calls. */
const alwaysSentBytes = 4_096;

/** When the client of an overloaded gateway may retry, in milliseconds. */
const retryAfterMs = 1_000;

/** @throws OverloadedError if answers that clients do not read exhaust the budget */
export function assertRoomForAnswer(response: NodeResponse, byteCount: number): void {
  if (byteCount <= alwaysSentBytes) return;
  if (outflows.get(response)?.hasRoom(byteCount) ?? true) return;
  throw new OverloadedError("response budget (requests.maxBytesInFlight) exhausted", {
    retryAfterMs,
    hint: "retry in a moment",
  });
}

/** Sends `reply` as fast as the client reads; does nothing if the client has disconnected. */
export function sendReply(response: NodeResponse, { status, headers, body }: Reply): void {
  if (response.headersSent || response.destroyed) return;
  const bytes = typeof body === "string" ? Buffer.from(body, "utf8") : body;
  for (const name in headers) response.setHeader(name, headers[name] ?? "");
  // RFC 9110, section 8.6.
  if (status !== 204) response.setHeader("content-length", bytes.byteLength);
  response.statusCode = status;
  const outflow = outflows.get(response);
  const writable: Pick<NodeJS.WritableStream, "write" | "end" | "once"> = response;
  let offset = 0;
  // An empty write would be a DATA frame after the headers, in which gRPC clients then see no trailers.
  if (bytes.byteLength === 0) return void writable.end();
  outflow?.hold(bytes.byteLength);
  if (bytes.byteLength <= sliceBytes) {
    outflow?.wrote(bytes.byteLength);
    writable.end(bytes);
  } else {
    writeOn();
  }

  function writeOn(): void {
    while (!response.destroyed) {
      const slice = bytes.subarray(offset, offset + sliceBytes);
      offset += slice.byteLength;
      outflow?.wrote(slice.byteLength);
      if (offset >= bytes.byteLength) return void writable.end(slice);
      if (!writable.write(slice)) return void writable.once("drain", writeOn);
    }
  }
}

/** A response whose body comes piece by piece. */
export interface StreamedReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Fields after the body, known when it has ended. Of an answer without a body over HTTP/2 they are in its only frame, with the headers. */
  readonly trailers: () => Readonly<Record<string, string>>;
}

/**
 * Sends an answer as its pieces come, each in slices that are written as soon as the caller has read the one before.
 * Ends early if the client disconnects.
 *
 * @throws OverloadedError if answers that clients do not read exhaust the budget; and what the body throws
 */
export async function sendStream(
  response: NodeResponse,
  { status, headers, body, trailers }: StreamedReply,
): Promise<void> {
  const outflow = outflows.get(response);
  const writable: Pick<NodeJS.WritableStream, "write" | "end"> = response;
  let isBegun = false;

  function begin(fields: Readonly<Record<string, string>>): void {
    isBegun = true;
    response.statusCode = status;
    for (const [name, value] of Object.entries(fields)) response.setHeader(name, value);
  }

  for await (const piece of body) {
    if (isGone(response)) return;
    if (!isBegun) begin(headers);
    assertRoomForAnswer(response, piece.byteLength);
    outflow?.hold(piece.byteLength);
    for (let offset = 0; offset < piece.byteLength; offset += sliceBytes) {
      const slice = piece.subarray(offset, offset + sliceBytes);
      outflow?.wrote(slice.byteLength);
      if (!writable.write(slice)) await drained(response);
      if (isGone(response)) return;
    }
  }
  if (isGone(response)) return;
  const isWithoutBody = !isBegun && "stream" in response;
  if (!isBegun) begin(isWithoutBody ? { ...headers, ...trailers() } : headers);
  if (!isWithoutBody) response.addTrailers({ ...trailers() });
  writable.end();
}

/** Resolves when more may be written, or nothing can be any more. */
function drained(response: NodeResponse): Promise<void> {
  const writable: Pick<NodeJS.WritableStream, "once" | "off"> = response;
  return new Promise((resolve) => {
    if (isGone(response)) resolve();
    const done = () => {
      writable.off("drain", done);
      writable.off("close", done);
      resolve();
    };
    writable.once("drain", done);
    writable.once("close", done);
  });
}

/** A response of node:http2 does not say itself whether it is destroyed. */
function isGone(response: NodeResponse): boolean {
  return "stream" in response ? response.stream.destroyed : response.destroyed;
}
