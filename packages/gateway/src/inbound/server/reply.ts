import { type Clock, OverloadedError } from "@tensorgate/core";
import type { RequestOptions } from "../options.ts";
import type { BodyBudget } from "./body/body-budget.ts";
import type { NodeResponse } from "./node-http.ts";
import { isGone, Outflow, type OutflowDeps, sliceBytes } from "./outflow.ts";

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  /** Fields after the body. */
  readonly trailers?: Readonly<Record<string, string>> | undefined;
}

/** How a response is watched, and what it says of its connection. */
interface Watch {
  readonly cut: () => void;
  readonly deps: OutflowDeps;
  keepAlive: string | undefined;
  /** Made once something of the response has to wait. */
  outflow?: Outflow;
}

/** Where a response has that: in a WeakMap it would outlive the response. */
const watchKey: unique symbol = Symbol("watch");
type WatchedResponse = NodeResponse & { [watchKey]?: Watch };

/** Longest response that is sent whatever the budget, in bytes: errors, probes, most results. */
const alwaysSentBytes = 4_096;

/** @throws OverloadedError if answers that clients do not read exhaust the budget */
export function assertRoomForAnswer(response: WatchedResponse, byteCount: number): void {
  if (byteCount <= alwaysSentBytes) return;
  if (response[watchKey]?.deps.budget.hasRoom(byteCount) ?? true) return;
  throw new OverloadedError("response budget (requests.maxBytesInFlight) exhausted", {
    retryAfterMs: 1_000,
    hint: "retry in a moment",
  });
}

/** Sends `reply` as fast as the client reads; does nothing if the client has disconnected. */
export function sendReply(response: WatchedResponse, reply: Reply): void {
  const { status, body, trailers } = reply;
  if (response.headersSent || response.destroyed) return;
  const byteCount = Buffer.byteLength(body);
  // RFC 9110, section 8.6.
  const hasLength = status !== 204 && status !== 304;
  writeHeaders(response, reply, hasLength ? byteCount : undefined);
  if (trailers) response.addTrailers({ ...trailers });
  const writable: Pick<NodeJS.WritableStream, "end"> = response;
  // An empty write would be a DATA frame after the headers, in which gRPC clients then see no trailers.
  if (byteCount === 0) return void writable.end();
  // Over HTTP/1.1 it is written at the end of the turn of the event loop, after those before it: written between other
  // work, each would wake its reader up for itself, and slow the work after it down. node:http2 gathers by itself.
  const isGathered = "stream" in response;
  if (byteCount > sliceBytes) sendLong(response, body, isGathered);
  else if (isGathered) endShort(response, body, byteCount);
  else setImmediate(endShort, response, body, byteCount);
}

function endShort(response: WatchedResponse, body: Reply["body"], byteCount: number): void {
  const writable: Pick<NodeJS.WritableStream, "end"> = response;
  // Node writes a short text together with the headers. Text of ASCII alone has the same bytes in Latin-1, which cost less.
  if (typeof body === "string") writable.end(body, byteCount === body.length ? "latin1" : "utf8");
  else writable.end(body);
  // The system has nearly always taken it by now, and node:http2 hands it over at the end of the turn.
  if (response.writableLength > 0) setImmediate(watchUnsent, response, byteCount);
}

/** Counts a long body, and sends it slice by slice, each when the one before has been taken. */
function sendLong(response: WatchedResponse, body: Reply["body"], isGathered: boolean): void {
  const writable: Pick<NodeJS.WritableStream, "write" | "end" | "once"> = response;
  const bytes = typeof body === "string" ? Buffer.from(body, "utf8") : body;
  const outflow = outflowOf(response);
  outflow?.hold(bytes.byteLength);
  let offset = 0;
  const writeOn = (): void => {
    while (!response.destroyed) {
      const slice = bytes.subarray(offset, offset + sliceBytes);
      offset += slice.byteLength;
      if (outflow) outflow.writtenBytes += slice.byteLength;
      if (offset >= bytes.byteLength) return void writable.end(slice);
      if (!writable.write(slice)) return void writable.once("drain", writeOn);
    }
  };
  if (isGathered) writeOn();
  else setImmediate(writeOn);
}

/** Watches a short response that was written, if it has not left the process. */
function watchUnsent(response: WatchedResponse, byteCount: number): void {
  if (response.writableLength > 0) outflowOf(response)?.hold(byteCount, byteCount);
}

/** Lets a response be the last one of its connection. */
export function announceClose(response: WatchedResponse): void {
  response.setHeader("connection", "close");
  const watch = response[watchKey];
  if (watch) watch.keepAlive = undefined;
}

type Head = Pick<Reply, "status" | "headers">;

/**
 * Sets the headers of a response, beside those that it has already. Node writes them with the first of the body, or its
 * end.
 *
 * @param byteCount - what it says of the length of the body; nothing by default
 */
function setHeaders(
  response: WatchedResponse,
  { status, headers }: Head,
  byteCount?: number,
): void {
  const keepAlive = response[watchKey]?.keepAlive;
  if (keepAlive !== undefined) response.setHeader("keep-alive", keepAlive);
  for (const name in headers) response.setHeader(name, headers[name] ?? "");
  if (byteCount !== undefined) response.setHeader("content-length", byteCount);
  response.statusCode = status;
}

/** The same, for less where nothing was set before: Node would keep each header in a table, and read them back from there. */
function writeHeaders(response: WatchedResponse, head: Head, byteCount?: number): void {
  const { status, headers } = head;
  if ("stream" in response || response.getHeaderNames().length > 0) {
    setHeaders(response, head, byteCount);
    // What is written later is the answer from here on.
    if (!("stream" in response)) response.writeHead(status);
    return;
  }
  const keepAlive = response[watchKey]?.keepAlive;
  const fields: string[] = [];
  if (keepAlive !== undefined) fields.push("keep-alive", keepAlive);
  for (const name in headers) fields.push(name, headers[name] ?? "");
  if (byteCount !== undefined) fields.push("content-length", String(byteCount));
  response.writeHead(status, fields);
}

/** A response whose body comes piece by piece. */
export interface StreamedReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Fields after the body, known when it has ended. */
  readonly trailers: () => Readonly<Record<string, string>>;
  /** Whether they are in the frame of the headers if there is no body, over HTTP/2; true by default. */
  readonly isTrailersOnly?: (trailers: Readonly<Record<string, string>>) => boolean;
}

/**
 * Sends an answer as its pieces come, each in slices that are written as soon as the caller has read the one before.
 * Ends early if the client disconnects.
 *
 * @throws OverloadedError if answers that clients do not read exhaust the budget; and what the body throws
 */
export async function sendStream(
  response: WatchedResponse,
  { status, headers, body, trailers, isTrailersOnly = () => true }: StreamedReply,
): Promise<void> {
  const outflow = outflowOf(response);
  const writable: Pick<NodeJS.WritableStream, "write" | "end"> = response;
  let isBegun = false;
  for await (const piece of body) {
    if (isGone(response)) return;
    if (!isBegun) writeHeaders(response, { status, headers });
    isBegun = true;
    assertRoomForAnswer(response, piece.byteLength);
    outflow?.hold(piece.byteLength);
    for (let offset = 0; offset < piece.byteLength; offset += sliceBytes) {
      const slice = piece.subarray(offset, offset + sliceBytes);
      if (outflow) outflow.writtenBytes += slice.byteLength;
      if (!writable.write(slice)) await drained(response);
      if (isGone(response)) return;
    }
  }
  if (isGone(response)) return;
  const last = trailers();
  const isJoined = !isBegun && "stream" in response && isTrailersOnly(last);
  if (!isBegun)
    setHeaders(response, { status, headers: isJoined ? { ...headers, ...last } : headers });
  // Without a body the frame of the headers would be the last one.
  if (!isJoined && "stream" in response && !response.headersSent) response.writeHead(status);
  if (!isJoined) response.addTrailers({ ...last });
  writable.end();
}

/** Resolves when more may be written, or nothing can be any more. */
function drained(response: NodeResponse): Promise<void> {
  const writable: Pick<NodeJS.WritableStream, "once" | "off"> = response;
  return new Promise((resolve) => {
    const done = () => {
      writable.off("drain", done).off("close", done);
      resolve();
    };
    if (isGone(response)) resolve();
    writable.once("drain", done).once("close", done);
  });
}

/**
 * Watches how a response is read.
 *
 * @param cut - ends it, and frees the memory that it holds
 * @param keepAlive - what it says of how long its connection stays open; nothing by default
 */
export type WatchResponse = (response: NodeResponse, cut: () => void, keepAlive?: string) => void;

export interface SlowReadersOptions {
  readonly requests: Required<RequestOptions>;
  readonly budget: Pick<BodyBudget, "add" | "hasRoom">;
  readonly clock: Clock;
}

/** How often the rate of reading is checked, in milliseconds. */
const checkEveryMs = 1_000;

/** Counts what clients have not read of their responses, and ends those that are read too slowly or not at all. */
export function createSlowReaders(options: SlowReadersOptions): WatchResponse {
  const { requests, budget, clock } = options;
  const unread = new Set<Outflow>();
  let isChecking = false;

  /** One timer serves all responses. It ends by itself when nothing is unread, so that a response that is read costs none. */
  function check(): void {
    const nowMs = clock.nowMs();
    for (const outflow of unread) outflow.check(nowMs);
    isChecking = unread.size > 0;
    if (isChecking) clock.setTimer(checkEveryMs, check);
  }

  const shared: OutflowDeps = {
    budget,
    clock,
    bytesPerMs: requests.minDownloadBytesPerSecond / 1_000,
    reservedBytes: requests.maxBytesInFlight / 2,
    unread,
    startChecking: () => {
      if (isChecking) return;
      isChecking = true;
      clock.setTimer(checkEveryMs, check);
    },
  };

  return (response: WatchedResponse, cut, keepAlive) => {
    response[watchKey] = { cut, deps: shared, keepAlive };
  };
}

function outflowOf(response: WatchedResponse): Outflow | undefined {
  const watch = response[watchKey];
  if (!watch || watch.outflow) return watch?.outflow;
  const outflow = new Outflow(response, watch.cut, watch.deps);
  watch.outflow = outflow;
  response.on("close", () => outflow.close());
  return outflow;
}
