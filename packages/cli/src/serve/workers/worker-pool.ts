import { type BackoffOptions, backoffDelayMs, type ClockAndRandom } from "@tensorgate/core";
import type { Log } from "../../telemetry/log.ts";
import type { WorkerCommand, WorkerReport } from "./messages.ts";

/** The process of a worker. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  /** Resolves once it serves; rejects if it ends before that. */
  readonly listening: Promise<WorkerReport>;
  /** Resolves when it has ended: to the code or the signal. */
  readonly ended: Promise<string>;
  tell(command: WorkerCommand): void;
  /** Ends it without a drain. */
  kill(): void;
}

/** A worker that serves. */
export interface ServingWorker extends WorkerReport {
  /** From 1; the one that takes its place has the same. */
  readonly number: number;
  readonly pid: number | undefined;
}

export interface WorkerPoolDeps extends ClockAndRandom {
  readonly count: number;
  /** @param port - of the first worker; undefined for itself, the first time */
  readonly start: (number: number, port: number | undefined) => WorkerProcess;
  readonly log: Pick<Log, "info" | "warn">;
}

/** Processes that share a port. One that ends is replaced; what it had in flight is lost with it. */
export interface WorkerPool {
  /** Starts the first worker, then the others. @returns what the first one reports. @throws if one of them ends */
  start(): Promise<WorkerReport>;
  /** Workers that serve now, in order. */
  serving(): readonly ServingWorker[];
  tell(number: number, command: WorkerCommand): void;
  tellAll(command: WorkerCommand): void;
  /** Ends a worker that hangs, so that it is replaced. */
  kill(number: number): void;
  /**
   * Stops them, and resolves when all have ended.
   *
   * @param withinMs - after which those that have not ended are killed
   */
  stop(signal: NodeJS.Signals, withinMs: number): Promise<void>;
}

const backoff: BackoffOptions = { initialBackoffMs: 100, maxBackoffMs: 5_000 };

export function createWorkerPool(deps: WorkerPoolDeps): WorkerPool {
  const { count, log, clock, random } = deps;
  const processes = new Map<number, WorkerProcess>();
  const serving = new Map<number, ServingWorker>();
  const failures = new Map<number, number>();
  let port: number | undefined;
  let isStarted = false;
  let isStopping = false;

  async function launch(number: number): Promise<WorkerReport> {
    const started = deps.start(number, port);
    processes.set(number, started);
    void started.ended.then((how) => onEnd(number, how));
    const report = await started.listening;
    port = report.port;
    serving.set(number, { ...report, number, pid: started.pid });
    failures.delete(number);
    return report;
  }

  function onEnd(number: number, how: string): void {
    processes.delete(number);
    const hasServed = serving.delete(number);
    // One that cannot start at all ends the start.
    if (isStopping || (!isStarted && !hasServed)) return;
    const failureCount = (failures.get(number) ?? 0) + 1;
    failures.set(number, failureCount);
    log.warn(
      `worker ${number} ended (${how}) and is replaced; the calls that it had in flight are lost`,
    );
    clock.setTimer(backoffDelayMs(failureCount, backoff, random()), () => {
      if (isStopping) return;
      launch(number).then(
        () => log.info(`worker ${number} serves again`),
        // It ended before it served: `onEnd` tries again.
        () => {},
      );
    });
  }

  return {
    start: async () => {
      const first = await launch(1);
      const others = Array.from({ length: count - 1 }, (_, index) => launch(index + 2));
      await Promise.all(others);
      isStarted = true;
      return first;
    },
    serving: () => [...serving.values()].sort((one, other) => one.number - other.number),
    tell: (number, command) => processes.get(number)?.tell(command),
    tellAll: (command) => {
      for (const each of processes.values()) each.tell(command);
    },
    kill: (number) => {
      log.warn(`worker ${number} does not answer, and is killed`);
      processes.get(number)?.kill();
    },
    stop: async (signal, withinMs) => {
      isStopping = true;
      const running = [...processes.values()];
      for (const each of running) each.tell({ type: "stop", signal });
      using _late = clock.setTimer(withinMs, () => {
        for (const [number, each] of processes) {
          log.warn(`worker ${number} has not ended in time, and is killed`);
          each.kill();
        }
      });
      await Promise.all(running.map(({ ended }) => ended));
    },
  };
}
