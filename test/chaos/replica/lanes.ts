import { sharedNowMs } from "../shared-clock.ts";

export interface Job {
  /** Called when its turn comes. @returns how long it takes, in milliseconds */
  begin(): number;
  end(): void;
}

/** So much before its time a job may end: half of what a timer is late at the median. */
const toleranceMs = 0.3;
/** After a pause as long as this the process was stopped, and what waits begins now. */
const stallMs = 20;

/**
 * Serves jobs in the order they come, `count` at a time.
 *
 * Timers have whole milliseconds and are late by a part of one. A job that had to wait therefore begins when the one
 * before it should have ended: single answers are late by a fraction of a millisecond, and the throughput is exact.
 */
export function lanes(count: number): (job: Job) => void {
  const running: ({ readonly job: Job; readonly endAtMs: number } | undefined)[] = Array.from(
    { length: count },
    () => undefined,
  );
  const waiting: { readonly job: Job; readonly cameAtMs: number }[] = [];
  let timer: NodeJS.Timeout | undefined;

  function start(lane: number, job: Job, atMs: number): void {
    running[lane] = { job, endAtMs: atMs + job.begin() };
  }

  function turn(): void {
    const nowMs = sharedNowMs();
    for (let lane = 0; lane < count; lane += 1) {
      for (;;) {
        const current = running[lane];
        if (!current || current.endAtMs > nowMs + toleranceMs) break;
        running[lane] = undefined;
        current.job.end();
        const next = waiting.shift();
        if (!next) break;
        const wasStalled = nowMs - current.endAtMs > stallMs;
        start(lane, next.job, wasStalled ? nowMs : Math.max(current.endAtMs, next.cameAtMs));
      }
    }
    arm();
  }

  function arm(): void {
    clearTimeout(timer);
    const nextMs = Math.min(...running.map((each) => each?.endAtMs ?? Number.POSITIVE_INFINITY));
    if (nextMs === Number.POSITIVE_INFINITY) return;
    timer = setTimeout(turn, Math.max(1, Math.floor(nextMs - sharedNowMs())));
  }

  return (job) => {
    const nowMs = sharedNowMs();
    const free = running.indexOf(undefined);
    if (free < 0) return void waiting.push({ job, cameAtMs: nowMs });
    start(free, job, nowMs);
    arm();
  };
}
