import type { Clock } from "@tensorgate/core";
import type { BodyBudget } from "./body/body-budget.ts";
import type { NodeResponse } from "./node-http.ts";

/** A longer response is written in slices of this many bytes, so that a slow reader differs from one that reads nothing. */
export const sliceBytes = 16_384;

/** Over how long the rate of reading is measured, in milliseconds. */
const windowMs = 5_000;

/**
 * How long a caller that has read before may show no progress, in milliseconds: the buffers of the system and the windows
 * of HTTP/2 take megabytes at a time, and then nothing until much was read.
 */
const maxStallMs = 30_000;

/** A response of node:http2 does not say itself whether it is destroyed. */
export function isGone(response: NodeResponse): boolean {
  return "stream" in response ? response.stream.destroyed : response.destroyed;
}

/** What all responses share. */
export interface OutflowDeps {
  readonly budget: Pick<BodyBudget, "add" | "hasRoom">;
  readonly clock: Clock;
  readonly bytesPerMs: number;
  /** Half of the budget: where more is held, no client gets the benefit of the doubt. */
  readonly reservedBytes: number;
  /** Those that were not all read when they were last checked. */
  readonly unread: Set<Outflow>;
  startChecking(): void;
}

/**
 * The part of one response that the client has not read yet: counted, and timed. A class, so that responses share its
 * methods: most are read before they are checked.
 */
export class Outflow {
  readonly #response: NodeResponse;
  readonly #cut: () => void;
  readonly #deps: OutflowDeps;
  #heldBytes = 0;
  /** Of them, those that were written. */
  writtenBytes = 0;
  #releasedBytes = 0;
  #sinceMs = 0;
  #releasedAtStart = 0;
  /** What the caller may have read in this window without a sign of it, in bytes. */
  #unseenBytes = sliceBytes;
  #isClosed: boolean;

  /** @param cut - ends the response, and frees the memory that it holds */
  constructor(response: NodeResponse, cut: () => void, deps: OutflowDeps) {
    this.#response = response;
    this.#cut = cut;
    this.#deps = deps;
    this.#isClosed = isGone(response);
  }

  /** Counts bytes until they have left the process. @param writtenBytes - of them, those that were written already */
  hold(byteCount: number, writtenBytes = 0): void {
    if (this.#isClosed) return;
    const { budget, clock, unread, startChecking } = this.#deps;
    this.#heldBytes += byteCount;
    this.writtenBytes += writtenBytes;
    budget.add(byteCount);
    if (unread.has(this)) return;
    this.#restart(clock.nowMs());
    unread.add(this);
    startChecking();
  }

  check(nowMs: number): void {
    const { budget, bytesPerMs, reservedBytes, unread } = this.#deps;
    const response = this.#response;
    this.#release(Math.max(this.#releasedBytes, this.writtenBytes - response.writableLength));
    if (this.#isRead()) return void unread.delete(this);
    // Behind another answer on the same connection, it is not the caller's to read yet.
    const isBehind = !("stream" in response) && !response.socket;
    const elapsedMs = nowMs - this.#sinceMs;
    if (!isBehind && elapsedMs < windowMs) return;
    const dueBytes = bytesPerMs * elapsedMs;
    const seenBytes = this.#releasedBytes - this.#releasedAtStart;
    if (isBehind || seenBytes >= dueBytes) return void this.#restart(nowMs);
    const believedBytes = budget.hasRoom(reservedBytes) ? this.#unseenBytes : sliceBytes;
    if (seenBytes + believedBytes >= dueBytes) return;
    unread.delete(this);
    this.#cut();
  }

  close(): void {
    this.#isClosed = true;
    this.#deps.unread.delete(this);
    this.#release(this.#heldBytes);
  }

  /** Gives back what has left the process since the last time. */
  #release(leftBytes: number): void {
    this.#deps.budget.add(this.#releasedBytes - leftBytes);
    this.#releasedBytes = leftBytes;
  }

  #restart(nowMs: number): void {
    const maxBufferedBytes = this.#deps.bytesPerMs * maxStallMs;
    const seenBytes = this.#releasedBytes - this.#releasedAtStart;
    this.#unseenBytes = Math.max(sliceBytes, Math.min(seenBytes, maxBufferedBytes));
    this.#sinceMs = nowMs;
    this.#releasedAtStart = this.#releasedBytes;
  }

  #isRead(): boolean {
    if (this.#response.writableEnded) return this.#response.writableFinished;
    return this.#releasedBytes >= this.#heldBytes;
  }
}
