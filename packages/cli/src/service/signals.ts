/** What this needs of a process; a test hands in its own. */
export interface SignalHost {
  readonly pid: number;
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  kill(pid: number, signal: NodeJS.Signals): unknown;
  exit(code: number): unknown;
}

/** Signals of a process, from the first line of the program on: no other place listens to them. */
export interface Signals {
  /** Whether a service has taken them, so that no output ends it. */
  readonly isServing: boolean;
  /** Whether a command has taken them, a service or another one that runs until it is stopped. */
  readonly isTaken: boolean;
  /** Gives them their usual effect back, those included that have come: for commands that answer and end. */
  release(): void;
  /** Takes them for a command that runs until it is stopped, those included that have come. */
  take(options: SignalOptions): StopRequest;
  /** Takes them for a service. */
  serve(options: SignalOptions): StopRequest;
}

export interface SignalOptions {
  /** Called for each SIGHUP before the stop; `stop` where the terminal is gone with it. */
  readonly onHangup: "stop" | (() => void);
  /** Called for signals that have no effect, which would otherwise end the process or open a debugger. */
  readonly onIgnored: (signal: NodeJS.Signals) => void;
}

export interface StopRequest {
  /**
   * Resolves at the first SIGINT or SIGTERM. Further ones do not cut the drain, which is bounded; only a second SIGINT
   * of a person who is in a hurry ends the process at once, with 130. Resolves to the signal that it was.
   */
  readonly stopped: Promise<NodeJS.Signals>;
}

const handled = ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"] as const;

/**
 * Shortest time between two SIGINTs that are two wishes, in milliseconds: a terminal sends one Ctrl-C to each process,
 * and npm passes its own on.
 */
const minInterruptGapMs = 1_000;

/** Takes the signals and keeps them until it is known what kind of command runs. */
export function createSignals(
  host: SignalHost = process,
  nowMs: () => number = () => performance.now(),
): Signals {
  const kept: { readonly signal: NodeJS.Signals; readonly atMs: number }[] = [];
  const keep: Handle = (signal, atMs) => void kept.push({ signal, atMs });
  let handle = keep;
  let isServing = false;
  let isTaken = false;
  let isListening = false;
  const listener = (signal: NodeJS.Signals) => handle(signal, nowMs());

  /** Never removes a listener to add it again: a signal that waits for the event loop's next turn would be lost. */
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
    for (const { signal, atMs } of kept.splice(0)) handle(signal, atMs);
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
      for (const { signal } of kept.splice(0)) host.kill(host.pid, signal);
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
