import { setTimeout as waited } from "node:timers/promises";
import { type GatewayStatus, ScoringClient, ScoringError } from "@tensorgate/client";
import { failureText } from "../call-failure.ts";
import { CommandError } from "../command-error.ts";
import type { Signals } from "../service/signals.ts";
import { createLiveScreen, sizeOf } from "../status/live-screen.ts";
import { createLiveView } from "../status/live-view.ts";
import { statusTable } from "../status/status-table.ts";

export interface StatusOptions {
  readonly url?: string;
  readonly key?: string;
  readonly once?: boolean;
  readonly json?: boolean;
  /** Interval between updates, in milliseconds. */
  readonly interval: number;
}

/** Wait before reconnecting to a gateway, in milliseconds. */
const askAgainMs = 1_000;

/** Shows the state of a gateway, its regions and its replicas, once or until a signal stops it. */
export async function runStatus(options: StatusOptions, signals: Signals): Promise<void> {
  const { url, key, once = false, json = false, interval } = options;
  await using client = new ScoringClient({
    ...(url !== undefined && { baseUrl: url }),
    ...(key !== undefined && { apiKey: key }),
  });
  const { stdout } = process;
  try {
    if (once || (!json && !stdout.isTTY)) {
      const status = await client.status.get();
      stdout.write(json ? jsonLine(status) : tableText(status));
      return;
    }
    const leaving = new AbortController();
    const { stopped } = signals.take({ onHangup: "stop", onIgnored: () => {} });
    void stopped.then(() => leaving.abort());
    const watched = { client, intervalMs: interval, signal: leaving.signal };
    await (json ? writeLines(watched) : showLive(watched));
  } catch (thrown) {
    throw ScoringError.is(thrown) ? new CommandError(failureText(thrown)) : thrown;
  }
}

interface Watched {
  readonly client: ScoringClient;
  readonly intervalMs: number;
  /** Aborts when the user stops the command. */
  readonly signal: AbortSignal;
}

const jsonLine = (status: GatewayStatus) => `${JSON.stringify(status)}\n`;

function tableText(status: GatewayStatus): string {
  const { stdout } = process;
  const width = stdout.isTTY ? sizeOf(stdout).width : Number.POSITIVE_INFINITY;
  return `${statusTable(status, { width, hasColours: hasColours() }).join("\n")}\n`;
}

const hasColours = () => process.stdout.isTTY === true && process.stdout.hasColors();

/** Prints each update as JSON. @throws ScoringError, or CommandError if the gateway ends the stream */
async function writeLines({ client, signal, intervalMs }: Watched): Promise<void> {
  try {
    for await (const status of client.status.watch({ signal, intervalMs })) {
      // While the reader has not taken the last update, newer ones are skipped.
      if (!process.stdout.writableNeedDrain) process.stdout.write(jsonLine(status));
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
  if (!signal.aborted) throw new CommandError("the gateway is closing");
}

/** Draws each update; reconnects to a gateway that responded before. @throws ScoringError */
async function showLive({ client, signal, intervalMs }: Watched): Promise<void> {
  const { stdout } = process;
  const view = createLiveView();
  const screen = createLiveScreen(stdout);
  let isKnown = false;
  const draw = () => {
    if (isKnown) screen.draw(view.lines({ ...sizeOf(stdout), hasColours: hasColours() }));
  };
  // A second Ctrl-C ends the process immediately.
  const onExit = () => screen.end();
  process.once("exit", onExit);
  stdout.on("resize", draw);
  try {
    while (!signal.aborted) {
      let because = "the gateway is closing";
      try {
        for await (const status of client.status.watch({ signal, intervalMs })) {
          isKnown = true;
          view.update(status, timeOfDay());
          draw();
        }
      } catch (thrown) {
        if (signal.aborted) break;
        if (!isKnown || !mayComeBack(thrown)) throw thrown;
        because = failureText(thrown);
      }
      view.lost(because, timeOfDay());
      draw();
      await waited(askAgainMs, undefined, { signal }).catch(() => {});
    }
  } finally {
    stdout.off("resize", draw);
    process.off("exit", onExit);
    const form = { ...sizeOf(stdout), height: Number.POSITIVE_INFINITY };
    screen.end(view.lines({ ...form, hasColours: hasColours() }));
  }
}

function mayComeBack(thrown: unknown): thrown is ScoringError {
  return ScoringError.is(thrown) && "retryable" in thrown && thrown.retryable === true;
}

/** Returns the local time of day. */
const timeOfDay = () => new Date().toTimeString().slice(0, 8);
