import { http2Code } from "./contract.ts";
import { Http2Error } from "./frames.ts";

/** Frames that a server may send in advance, and those that it can save up for. */
const allowance = { initial: 1_000, max: 10_000 } as const;

/** Milliseconds after which a server may send another frame although nothing is sent to it. */
const msPerFrame = 100;

/** Counts frames that bring nothing, such as PING, SETTINGS and empty DATA: each costs time, and a flood of them all of it. */
export class UselessFrames {
  #allowed: number = allowance.initial;
  #seenCredit = 0;
  #refilledMs = performance.now();

  /**
   * @param credit - frames that all that was sent so far is worth
   * @throws Http2Error if there are too many
   */
  spend(count: number, credit: number): void {
    const earned = credit - this.#seenCredit;
    this.#seenCredit = credit;
    this.#allowed = Math.min(allowance.max, this.#allowed + earned) - count;
    if (this.#allowed > 0) return;
    const nowMs = performance.now();
    this.#allowed += (nowMs - this.#refilledMs) / msPerFrame;
    this.#refilledMs = nowMs;
    if (this.#allowed > 0) return;
    throw new Http2Error("too many frames that bring nothing", http2Code.ENHANCE_YOUR_CALM);
  }
}
