import { type BackoffOptions, backoffDelayMs, type ClockAndRandom } from "@tensorgate/core";

/** A child process. */
export interface Child {
  /** Resolves to the port once the child listens; rejects if it ends before that. */
  readonly listening: Promise<number>;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  /** Requests a graceful stop. */
  stop(): void;
  /** Kills it. */
  kill(): void;
}

/** Starts a child that listens on `port`; 0 takes a free one. */
export type StartChild = (port: number) => Child;

export interface Supervisor {
  /** Starts the child; resolves to its port, which stays the same after restarts. */
  start(): Promise<number>;
  /** Kills the child, without a restart until `endOutage`. */
  beginOutage(): void;
  /** Starts it again on the same port; resolves when it listens. */
  endOutage(): Promise<void>;
  readonly hasOutage: boolean;
  /** Stops the child without a restart; kills it after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

export interface SupervisorDeps extends ClockAndRandom {
  readonly startChild: StartChild;
  /** Called when the child died, before its restart. */
  readonly onDeath: () => void;
  /** Called when it listens again. */
  readonly onReturn: () => void;
}

const backoff: BackoffOptions = { initialBackoffMs: 200, maxBackoffMs: 5_000 };

/** Creates a supervisor that restarts its child on the same port, with backoff. */
export function createChildSupervisor(deps: SupervisorDeps): Supervisor {
  const { startChild, onDeath, onReturn, clock, random } = deps;
  let child: Child | undefined;
  let isStopping = false;
  let hasOutage = false;
  let failureCount = 0;
  let restart: Disposable | undefined;

  function launch(port: number): Promise<number> {
    const launched = startChild(port);
    child = launched;
    void launched.ended.then(() => {
      if (isStopping || hasOutage || child !== launched) return;
      failureCount += 1;
      onDeath();
      restart = clock.setTimer(backoffDelayMs(failureCount, backoff, random()), () => {
        if (hasOutage) return;
        launch(knownPort).then(
          () => {
            failureCount = 0;
            onReturn();
          },
          // It ended before it listened; the handler of `ended` restarts it.
          () => {},
        );
      });
    });
    return launched.listening;
  }

  let knownPort = 0;
  return {
    start: async () => {
      knownPort = await launch(0);
      return knownPort;
    },
    get hasOutage() {
      return hasOutage;
    },
    beginOutage: () => {
      hasOutage = true;
      restart?.[Symbol.dispose]();
      child?.kill();
    },
    endOutage: async () => {
      if (!hasOutage || isStopping) return;
      // The port is free once the previous child has ended.
      await child?.ended;
      if (!hasOutage || isStopping) return;
      hasOutage = false;
      failureCount = 0;
      await launch(knownPort);
      onReturn();
    },
    stop: async (graceMs) => {
      isStopping = true;
      restart?.[Symbol.dispose]();
      if (!child) return;
      const { ended, kill } = child;
      child.stop();
      using _cut = clock.setTimer(graceMs, kill);
      await ended;
    },
  };
}
