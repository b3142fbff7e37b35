import { isatty } from "node:tty";
import { type Log, openLog } from "../telemetry/log.ts";
import { openStandardOutput } from "../telemetry/standard-output.ts";
import type { Signals } from "./signals.ts";

/** The process of a command that runs until a signal stops it. */
export interface Service {
  readonly log: Log;
  /** Resolves to the signal that stops the command. */
  readonly stopped: Promise<NodeJS.Signals>;
  /** Writes to standard output, without waiting for its reader. */
  announce(text: string): void;
  /** Calls `reload` for each SIGHUP until the stop, and immediately if one arrived before. */
  onHangup(reload: () => void): void;
}

export interface ServiceOptions {
  readonly signals: Signals;
  /** Whether SIGHUP reloads the configuration. */
  readonly hasReload?: boolean;
}

/** Time limit for writing the last records, in milliseconds. */
const flushMs = 1_000;

/** Runs `work` with the signals, the log and the standard output of a service. */
export async function runService(
  { signals, hasReload = false }: ServiceOptions,
  work: (service: Service) => Promise<void>,
): Promise<void> {
  const log = openLog();
  const output = openStandardOutput("stdout");
  let reload: (() => void) | undefined;
  let wasHungUp = false;
  const onHangup = () => {
    if (reload) reload();
    else if (hasReload) wasHungUp = true;
    else log.info("ignoring SIGHUP: there is no configuration to reload");
  };
  const { stopped } = signals.serve({
    // Without a configuration to reload, SIGHUP means that the terminal was closed, if there is one.
    onHangup: hasReload || !isatty(0) ? onHangup : "stop",
    onIgnored: (signal) => log.info(`ignoring ${signal}`),
  });
  // Node writes warnings to standard error synchronously.
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => log.warn(`${name}: ${message}`));
  try {
    await work({
      log,
      stopped,
      announce: (text) => output.write(text),
      onHangup: (listener) => {
        reload = listener;
        if (wasHungUp) listener();
      },
    });
  } finally {
    await Promise.all([log.flush(flushMs), output.flush(flushMs)]);
  }
}
