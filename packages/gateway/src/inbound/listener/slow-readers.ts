import type { Clock } from "@tensorgate/core";
import { type Outflow, sliceBytes } from "../answer-writer.ts";
import type { NodeResponse } from "../node-http.ts";
import type { RequestOptions } from "../options.ts";
import type { IntakeGate } from "../reading/intake.ts";

/** Counts what callers have not read of their answers, and cuts those who read too slowly or not at all. */
export interface SlowReaders {
  /** @param cut - ends the answer, and gives back the memory that it holds */
  watch(response: NodeResponse, cut: () => void): Outflow;
}

export interface SlowReadersParts {
  readonly requests: Pick<Required<RequestOptions>, "minDownloadBytesPerSecond">;
  readonly budget: Pick<IntakeGate, "add" | "hasRoom">;
  readonly clock: Clock;
}

/**
 * Over how long the rate of reading is measured, again and again, in milliseconds: what the system took for the caller
 * at first must not count for ever. And how often that is looked at.
 */
const windowMs = 5_000;
const checkEveryMs = 1_000;

export function createSlowReaders({ requests, budget, clock }: SlowReadersParts): SlowReaders {
  const bytesPerMs = requests.minDownloadBytesPerSecond / 1_000;
  /** Answers that were not all read when they were last looked at. */
  const unread = new Set<UnreadAnswer>();
  let timer: Disposable | undefined;

  interface UnreadAnswer {
    check(nowMs: number): void;
  }

  function check(): void {
    timer = undefined;
    const nowMs = clock.nowMs();
    for (const answer of unread) answer.check(nowMs);
    schedule();
  }

  function schedule(): void {
    if (unread.size > 0) timer ??= clock.setTimer(checkEveryMs, check);
  }

  function watch(response: NodeResponse, cut: () => void): Outflow {
    let heldBytes = 0;
    let writtenBytes = 0;
    let releasedBytes = 0;
    let sinceMs = 0;
    let releasedAtStart = 0;
    let isClosed = false;

    /** Gives back what has left the process since the last time. */
    function release(leftBytes: number): void {
      budget.add(releasedBytes - leftBytes);
      releasedBytes = leftBytes;
    }

    function restart(nowMs: number): void {
      sinceMs = nowMs;
      releasedAtStart = releasedBytes;
    }

    const answer: UnreadAnswer = {
      check: (nowMs) => {
        release(Math.max(releasedBytes, writtenBytes - response.writableLength));
        if (isRead()) return forget();
        // Behind another answer on the same connection, it is not the caller's to read yet.
        if (!("stream" in response) && !response.socket) return restart(nowMs);
        const elapsedMs = nowMs - sinceMs;
        // What the caller has read of the slice that is being written does not show.
        const readBytes = releasedBytes - releasedAtStart + sliceBytes;
        if (elapsedMs < windowMs) return;
        if (readBytes >= bytesPerMs * elapsedMs) return restart(nowMs);
        forget();
        cut();
      },
    };

    function isRead(): boolean {
      if (response.writableEnded) return response.writableFinished;
      return releasedBytes >= heldBytes;
    }

    response.once("close", () => {
      isClosed = true;
      forget();
      release(heldBytes);
    });

    function forget(): void {
      unread.delete(answer);
      if (unread.size > 0) return;
      timer?.[Symbol.dispose]();
      timer = undefined;
    }

    return {
      hold: (byteCount) => {
        if (isClosed) return;
        heldBytes += byteCount;
        budget.add(byteCount);
        if (unread.has(answer)) return;
        restart(clock.nowMs());
        unread.add(answer);
        schedule();
      },
      wrote: (byteCount) => {
        writtenBytes += byteCount;
      },
      hasRoom: budget.hasRoom,
    };
  }

  return { watch };
}
