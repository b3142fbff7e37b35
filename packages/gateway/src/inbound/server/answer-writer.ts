import { OverloadedError } from "@tensorgate/core";
import type { NodeResponse } from "./node-http.ts";

/** What of one answer its caller has not read yet: counted, and timed. */
export interface Outflow {
  /** Counts bytes that are about to be written, until they have left the process. */
  hold(byteCount: number): void;
  /** Says that so many of them were written now. */
  wrote(byteCount: number): void;
  /** Whether all answers and requests together may hold so much more. */
  hasRoom(byteCount: number): boolean;
}

const outflows = new WeakMap<NodeResponse, Outflow>();

export function setOutflow(response: NodeResponse, outflow: Outflow): void {
  outflows.set(response, outflow);
}

/** A longer answer is written in slices of this many bytes, so that a slow reader is told from one that reads nothing. */
export const sliceBytes = 16_384;

/** Answers that are always sent: errors, probes and the answers of most calls, in bytes. */
const alwaysSentBytes = 4_096;

/** When an overloaded gateway may be asked again, in milliseconds. */
const retryAfterMs = 1_000;

/** @throws OverloadedError if answers that nobody reads hold as much as they may */
export function assertRoomForAnswer(response: NodeResponse, byteCount: number): void {
  if (byteCount <= alwaysSentBytes) return;
  if (outflows.get(response)?.hasRoom(byteCount) ?? true) return;
  throw new OverloadedError("response budget (requests.maxBytesInFlight) exhausted", {
    retryAfterMs,
    hint: "retry in a moment",
  });
}

/** Writes the body of an answer and ends it, as fast as its caller reads. */
export function writeAnswer(response: NodeResponse, bytes: Uint8Array): void {
  const outflow = outflows.get(response);
  const writable: Pick<NodeJS.WritableStream, "write" | "end" | "once"> = response;
  let offset = 0;
  // An empty write would be a DATA frame after the headers, in which gRPC clients then see no trailers.
  if (bytes.byteLength === 0) return void writable.end();
  outflow?.hold(bytes.byteLength);
  writeOn();

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

/** An answer whose body comes piece by piece. */
export interface StreamedReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Fields after the body, known when it has ended. Of an answer without a body over HTTP/2 they are in its only frame, with the headers. */
  readonly trailers: () => Readonly<Record<string, string>>;
}

/**
 * Sends an answer as its pieces come, each in slices that are written as soon as the caller has read the one before.
 * Ends early if the caller has gone.
 *
 * @throws OverloadedError if answers that nobody reads hold as much as they may; and what the body throws
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
