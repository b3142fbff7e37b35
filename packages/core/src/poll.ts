import type { Clock } from "./clock.ts";

export interface PollOptions {
  /** Time from the end of one call to the beginning of the next, in milliseconds. */
  readonly intervalMs: number;
  readonly clock: Clock;
}

/**
 * Calls `task` again and again, first `intervalMs` from now. What it throws is dropped: it reports its failures itself.
 * Disposing of the result ends it.
 */
export function poll(task: () => Promise<unknown>, { intervalMs, clock }: PollOptions): Disposable {
  let timer: Disposable | undefined;
  let isOver = false;
  const next = (): void => {
    if (!isOver) timer = clock.setTimer(intervalMs, () => void task().then(next, next));
  };
  next();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      timer?.[Symbol.dispose]();
    },
  };
}
