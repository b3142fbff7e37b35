import http2 from "node:http2";
import type { Clock } from "@tensorgate/core";
import type { RequestOptions } from "../../options.ts";
import type { BodyBudget } from "../body/body-budget.ts";
import { type Outflow, sliceBytes } from "../exchange.ts";
import type { NodeResponse } from "../node-http.ts";

/** Counts what clients have not read of their responses, and ends responses that are read too slowly or not at all. */
export interface SlowReaders {
  /** @param cut - ends the response, and frees the memory that it holds */
  watch(response: NodeResponse, cut: () => void): Outflow;
}

export interface SlowReadersOptions {
  readonly requests: Pick<
    Required<RequestOptions>,
    "minDownloadBytesPerSecond" | "maxBytesInFlight"
  >;
  readonly budget: Pick<BodyBudget, "add" | "hasRoom">;
  readonly clock: Clock;
}

/** Over how long the rate of reading is measured, again and again, and how often that is checked, in milliseconds. */
const windowMs = 5_000;
const checkEveryMs = 1_000;

/**
 * How long a caller that has read before may show no progress, in milliseconds. The buffers of the system and the
 * windows of HTTP/2 take megabytes at a time, and then nothing until much of that was read.
 */
const maxStallMs = 30_000;

export function createSlowReaders({ requests, budget, clock }: SlowReadersOptions): SlowReaders {
  const bytesPerMs = requests.minDownloadBytesPerSecond / 1_000;
  /** Half of the budget: where more is held, no client gets the benefit of the doubt. */
  const reservedBytes = requests.maxBytesInFlight / 2;
  /** Answers that were not all read when they were last checked. */
  const unread = new Set<UnreadAnswer>();
  let isChecking = false;

  interface UnreadAnswer {
    check(nowMs: number): void;
  }

  /** One timer serves all responses. It ends by itself when nothing is unread, so that a response that is read costs none. */
  function check(): void {
    const nowMs = clock.nowMs();
    for (const answer of unread) answer.check(nowMs);
    isChecking = unread.size > 0;
    if (isChecking) clock.setTimer(checkEveryMs, check);
  }

  function watch(response: NodeResponse, cut: () => void): Outflow {
    let heldBytes = 0;
    let writtenBytes = 0;
    let releasedBytes = 0;
    let sinceMs = 0;
    let releasedAtStart = 0;
    /** What the caller may have read in this window without a sign of it, in bytes. */
    let unseenBytes = sliceBytes;
    let isClosed = false;

    /** Gives back what has left the process since the last time. */
    function release(leftBytes: number): void {
      budget.add(releasedBytes - leftBytes);
      releasedBytes = leftBytes;
    }

    function restart(nowMs: number): void {
      const bufferedBytes = Math.min(releasedBytes - releasedAtStart, bytesPerMs * maxStallMs);
      unseenBytes = Math.max(sliceBytes, bufferedBytes);
      sinceMs = nowMs;
      releasedAtStart = releasedBytes;
    }

    const answer: UnreadAnswer = {
      check: (nowMs) => {
        release(Math.max(releasedBytes, writtenBytes - response.writableLength));
        if (isRead()) return void unread.delete(answer);
        // Behind another answer on the same connection, it is not the caller's to read yet.
        if (!("stream" in response) && !response.socket) return restart(nowMs);
        const elapsedMs = nowMs - sinceMs;
        if (elapsedMs < windowMs) return;
        const dueBytes = bytesPerMs * elapsedMs;
        const seenBytes = releasedBytes - releasedAtStart;
        if (seenBytes >= dueBytes) return restart(nowMs);
        const believedBytes = budget.hasRoom(reservedBytes) ? unseenBytes : sliceBytes;
        if (seenBytes + believedBytes >= dueBytes) return;
        unread.delete(answer);
        cut();
      },
    };

    function isRead(): boolean {
      if (response.writableEnded) return response.writableFinished;
      return releasedBytes >= heldBytes;
    }

    response.once("close", () => {
      isClosed = true;
      unread.delete(answer);
      release(heldBytes);
    });

    return {
      hold: (byteCount) => {
        if (isClosed) return;
        heldBytes += byteCount;
        budget.add(byteCount);
        if (unread.has(answer)) return;
        restart(clock.nowMs());
        unread.add(answer);
        if (isChecking) return;
        isChecking = true;
        clock.setTimer(checkEveryMs, check);
      },
      wrote: (byteCount) => {
        writtenBytes += byteCount;
      },
      hasRoom: budget.hasRoom,
    };
  }

  return { watch };
}

/** How long a session may take to answer a ping, in milliseconds. */
const pingTimeoutMs = 5_000;

/**
 * Ends one stream that the client does not read, and the whole session if the client reads nothing at all: a reset waits
 * behind everything else that was not read.
 *
 * @param reset - ends the connection immediately
 */
export function createStreamCutter(
  session: http2.ServerHttp2Session,
  { clock, reset }: { readonly clock: Clock; readonly reset: () => void },
): (stream: http2.ServerHttp2Stream) => void {
  let awaited: Disposable | undefined;
  session.once("close", () => awaited?.[Symbol.dispose]());

  return (stream) => {
    stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    if (awaited || session.destroyed) return;
    awaited = clock.setTimer(pingTimeoutMs, reset);
    const isSent = session.ping(() => {
      awaited?.[Symbol.dispose]();
      awaited = undefined;
    });
    if (!isSent) reset();
  };
}
