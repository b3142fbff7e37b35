import type { Clock } from "./clock.ts";

/** Longest delay that a timer of JavaScript takes, in milliseconds: beyond it, it fires at once. */
export const maxTimerDelayMs = 2_147_483_647;

/**
 * Makes timers of any delay out of timers that take no more than `maxTimerDelayMs`. None fires early.
 *
 * @param start - starts one timer, as `setTimeout` does
 */
export function longTimers(start: Clock["setTimer"]): Clock["setTimer"] {
  return function setTimer(delayMs, wake) {
    if (!(delayMs > maxTimerDelayMs)) return start(delayMs, wake);
    let timer = start(maxTimerDelayMs, () => {
      timer = setTimer(delayMs - maxTimerDelayMs, wake);
    });
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
  };
}
