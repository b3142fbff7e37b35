import { isatty } from "node:tty";
import { type Log, openLog } from "../telemetry/log.ts";
import { openStandardOutput } from "../telemetry/standard-output.ts";
import type { Signals } from "./signals.ts";

/** What a command that runs until it is stopped has of its process. */
export interface Service {
  readonly log: Log;
  /** Resolves when the command is to stop, to the signal that says so. */
  readonly stopped: Promise<NodeJS.Signals>;
  /** Writes to standard output, without waiting for who reads it. */
  announce(text: string): void;
  /** Calls `reload` for each SIGHUP until the stop, and now if one has come already. */
  onHangup(reload: () => void): void;
}

export interface ServiceOptions {
  readonly signals: Signals;
  /** Whether it has something to reload at SIGHUP. */
  readonly hasReload?: boolean;
}

/** How long the last records may take to be written, in milliseconds. */
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
    // Without anything to reload, it says that the terminal is gone, if there is one.
    onHangup: hasReload || !isatty(0) ? onHangup : "stop",
    onIgnored: (signal) => log.info(`ignoring ${signal}`),
  });
  // Node would write warnings to standard error itself, and wait there.
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
