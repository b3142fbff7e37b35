import { sharedNowMs } from "../shared-clock.ts";

export interface Job {
  /** Called when a worker begins with it. @returns its service time, in milliseconds */
  begin(): number;
  end(): void;
}

/** How much before its time a job may end: half of the median delay of a timer. */
const toleranceMs = 0.3;
/** A longer pause means that the process was stopped: queued jobs then begin now. */
const stallMs = 20;

/**
 * Creates workers, which process jobs first in, first out, `count` at a time.
 *
 * Timers have whole milliseconds and are late by a part of one. A job that had to wait therefore begins when the one
 * before it should have ended: single answers are late by a fraction of a millisecond, and the throughput is exact.
 */
export function createWorkers(count: number): (job: Job) => void {
  const running: ({ readonly job: Job; readonly endAtMs: number } | undefined)[] = Array.from(
    { length: count },
    () => undefined,
  );
  const waiting: { readonly job: Job; readonly cameAtMs: number }[] = [];
  let timer: NodeJS.Timeout | undefined;

  function start(worker: number, job: Job, atMs: number): void {
    running[worker] = { job, endAtMs: atMs + job.begin() };
  }

  function advance(): void {
    const nowMs = sharedNowMs();
    for (let worker = 0; worker < count; worker += 1) {
      for (;;) {
        const current = running[worker];
        if (!current || current.endAtMs > nowMs + toleranceMs) break;
        running[worker] = undefined;
        current.job.end();
        const next = waiting.shift();
        if (!next) break;
        const wasStalled = nowMs - current.endAtMs > stallMs;
        start(worker, next.job, wasStalled ? nowMs : Math.max(current.endAtMs, next.cameAtMs));
      }
    }
    arm();
  }

  function arm(): void {
    clearTimeout(timer);
    const nextMs = Math.min(...running.map((each) => each?.endAtMs ?? Number.POSITIVE_INFINITY));
    if (nextMs === Number.POSITIVE_INFINITY) return;
    timer = setTimeout(advance, Math.max(1, Math.floor(nextMs - sharedNowMs())));
  }

  return (job) => {
    const nowMs = sharedNowMs();
    const free = running.indexOf(undefined);
    if (free < 0) return void waiting.push({ job, cameAtMs: nowMs });
    start(free, job, nowMs);
    arm();
  };
}
