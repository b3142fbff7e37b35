import type { SwapProgress } from "@tensorgate/gateway";
import type { TerminalStream } from "../score/progress-bar.ts";

/** Prints the progress of a swap: a line per step, and on a terminal the time since the last one. */
export interface StepLines {
  step(progress: SwapProgress): void;
  /** Updates the time on a terminal. Called at an interval. */
  tick(): void;
  end(): void;
}

export interface StepLinesDeps {
  /** Stream for the lines. */
  readonly out: TerminalStream;
  /** Stream for the time, if it is a terminal. */
  readonly terminal: TerminalStream;
  readonly nowMs: () => number;
}

const clearLine = "\r\u001b[2K";

export function createStepLines({ out, terminal, nowMs }: StepLinesDeps): StepLines {
  let sinceMs: number | undefined;
  const clear = () => {
    if (terminal.isTTY) terminal.write(clearLine);
  };
  return {
    step: ({ atMs, text }) => {
      clear();
      out.write(`${(atMs / 1_000).toFixed(1).padStart(7)} s  ${text}\n`);
      sinceMs = nowMs();
    },
    tick: () => {
      if (!terminal.isTTY || sinceMs === undefined) return;
      terminal.write(`${clearLine}           … ${Math.round((nowMs() - sinceMs) / 1_000)} s`);
    },
    end: clear,
  };
}
