/** The process, as far as it concerns signals; a test passes its own. */
export interface SignalHost {
  readonly pid: number;
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  kill(pid: number, signal: NodeJS.Signals): unknown;
  exit(code: number): unknown;
}

/** Handles the signals of the process from its start; no other module listens to them. */
export interface Signals {
  /** Whether a service handles them, so that a failure of standard output does not end it. */
  readonly isServing: boolean;
  /** Whether a command handles them, a service or another one that runs until a signal. */
  readonly isTaken: boolean;
  /** Restores their default effect, also for those that arrived before: for commands that end by themselves. */
  release(): void;
  /** Handles them for a command that runs until a signal, also those that arrived before. */
  take(options: SignalOptions): StopRequest;
  /** Handles them for a service. */
  serve(options: SignalOptions): StopRequest;
}

export interface SignalOptions {
  /** Called for each SIGHUP before the stop; `stop` if SIGHUP means that the terminal was closed. */
  readonly onHangup: "stop" | (() => void);
  /** Called for ignored signals, which would otherwise end the process or open a debugger. */
  readonly onIgnored: (signal: NodeJS.Signals) => void;
}

export interface StopRequest {
  /**
   * Resolves to the first SIGINT or SIGTERM. Further signals do not shorten the drain, which is bounded; only a second
   * SIGINT after a second ends the process immediately, with exit code 130.
   */
  readonly stopped: Promise<NodeJS.Signals>;
}

const handled = ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"] as const;

/**
 * Minimum time between two SIGINTs that count as two, in milliseconds: a terminal sends one Ctrl-C to every process, and npm
 * forwards its own.
 */
const minInterruptGapMs = 1_000;

/** Creates the signal handling; it holds signals until the command is known. */
export function createSignals(
  host: SignalHost = process,
  nowMs: () => number = () => performance.now(),
): Signals {
  const pending: { readonly signal: NodeJS.Signals; readonly atMs: number }[] = [];
  const hold: Handle = (signal, atMs) => void pending.push({ signal, atMs });
  let handle = hold;
  let isServing = false;
  let isTaken = false;
  let isListening = false;
  const listener = (signal: NodeJS.Signals) => handle(signal, nowMs());

  /** Adds the listeners once: removing and adding them would lose a signal that is pending in the event loop. */
  function listen(): void {
    if (isListening) return;
    isListening = true;
    for (const signal of handled) host.on(signal, listener);
  }

  function take(options: SignalOptions): StopRequest {
    isTaken = true;
    listen();
    const { promise: stopped, resolve: stop } = Promise.withResolvers<NodeJS.Signals>();
    handle = stopHandler({ ...options, stop, exit: () => host.exit(130) });
    for (const { signal, atMs } of pending.splice(0)) handle(signal, atMs);
    return { stopped };
  }

  listen();
  return {
    get isServing() {
      return isServing;
    },
    get isTaken() {
      return isTaken;
    },
    release: () => {
      if (isTaken) return;
      isListening = false;
      for (const signal of handled) host.off(signal, listener);
      for (const { signal } of pending.splice(0)) host.kill(host.pid, signal);
    },
    take,
    serve: (options) => {
      isServing = true;
      return take(options);
    },
  };
}

type Handle = (signal: NodeJS.Signals, atMs: number) => void;

interface HandlerDeps extends SignalOptions {
  readonly stop: (signal: NodeJS.Signals) => void;
  readonly exit: () => void;
}

function stopHandler({ onHangup, onIgnored, stop, exit }: HandlerDeps): Handle {
  let stoppingSinceMs: number | undefined;
  return (signal, atMs) => {
    if (signal === "SIGUSR1" || signal === "SIGUSR2") return onIgnored(signal);
    if (stoppingSinceMs !== undefined) {
      if (signal === "SIGINT" && atMs - stoppingSinceMs >= minInterruptGapMs) return exit();
      return onIgnored(signal);
    }
    if (signal === "SIGHUP" && onHangup !== "stop") return onHangup();
    stoppingSinceMs = atMs;
    stop(signal);
  };
}
