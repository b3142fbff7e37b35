import type { Clock } from "@tensorgate/core";

/** Lets connections be read by turns while there is more to do than the process can do. */
export interface Turns {
  /** A request over HTTP/1.1 begins. */
  begin(): void;
  /** It has been answered, or is over. */
  end(): void;
  /** Whether a connection from which a request may come should wait for its turn. */
  readonly areTaken: boolean;
  /** Connections that wait. */
  readonly waitingCount: number;
  /** Calls `read` when the connection's turn has come, in the order in which they wait. */
  wait(read: () => void): void;
  /** Gives every connection its turn now, and never takes one again. */
  endAll(): void;
}

/**
 * Requests in flight from which connections wait. What a request needs until it is answered outlives a collection of the
 * young generation if a thousand are begun together, and then costs as much as the request itself; a few dozen at a
 * time leave little behind, and still fill each turn of the event loop.
 */
const enough = 32;

/**
 * Connections that have their turn at least, however many requests are in flight: those may wait for replicas, and a turn
 * may be long because of something else, such as HTTP/2. One fewer for every `perFewer` requests too many.
 */
const perTurn = { min: 2, max: 8, perFewer: 8 } as const;

/**
 * Connections that have their turn per millisecond in which the event loop has nothing to do, because replicas are slow.
 * Enough for slow replicas to be kept busy, and few enough that a pause of some milliseconds does not let everything in.
 */
const perIdleMs = 32;

/** A turn of the event loop in which next to nothing was done, in milliseconds. */
export const shortTurnMs = 0.2;

export interface TurnsOptions {
  readonly clock: Pick<Clock, "nowMs">;
  /** Calls back once per turn of the event loop, when what has arrived was read. */
  readonly afterPoll?: (callback: () => void) => void;
}

/** Requests that are not read yet wait in the system's buffer of their connection, where they cost nothing. */
export function createTurns({ clock, afterPoll = setImmediate }: TurnsOptions): Turns {
  const waiting: (() => void)[] = [];
  let inFlightCount = 0;
  /** Since the last turn. */
  let endedCount = 0;
  let turnedMs = 0;
  /** What idle time has allowed so far of the next connection, from 0 to 1. */
  let idleShare = 0;
  let areOver = false;

  function next(): void {
    for (const read of waiting.splice(0, areOver ? waiting.length : nextCount())) read();
    if (waiting.length > 0) afterPoll(next);
  }

  /**
   * As many as are missing to `enough`. If none is, half of those that have ended, so that what is in flight becomes less,
   * unless the event loop is idle.
   */
  function nextCount(): number {
    const nowMs = clock.nowMs();
    const tookMs = nowMs - turnedMs;
    const isIdle = endedCount === 0 && tookMs < shortTurnMs;
    const count = isIdle ? idleCount(tookMs) : busyCount();
    endedCount = 0;
    turnedMs = nowMs;
    return Math.max(count, enough - inFlightCount);
  }

  function idleCount(tookMs: number): number {
    const allowed = idleShare + perIdleMs * tookMs;
    const count = Math.floor(allowed);
    idleShare = allowed - count;
    return count;
  }

  function busyCount(): number {
    const tooMany = Math.max(0, inFlightCount - enough);
    const fewer = Math.floor(tooMany / perTurn.perFewer);
    return Math.max(perTurn.min, perTurn.max - fewer, endedCount >> 1);
  }

  return {
    begin: () => {
      inFlightCount += 1;
    },
    end: () => {
      inFlightCount -= 1;
      endedCount += 1;
    },
    get areTaken() {
      return !areOver && (inFlightCount >= enough || waiting.length > 0);
    },
    get waitingCount() {
      return waiting.length;
    },
    wait: (read) => {
      waiting.push(read);
      if (waiting.length === 1) afterPoll(next);
    },
    endAll: () => {
      areOver = true;
      next();
    },
  };
}
