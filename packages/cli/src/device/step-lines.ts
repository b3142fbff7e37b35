import type { SwapProgress } from "@tensorgate/gateway";
import type { TerminalStream } from "../score/progress-bar.ts";

/** Tells how far a swap is: a line for each step, and on a terminal how long the last one has taken. */
export interface StepLines {
  step(progress: SwapProgress): void;
  /** Told every now and then that time goes on. */
  tick(): void;
  end(): void;
}

export interface StepLinesDeps {
  /** Takes the lines. */
  readonly out: TerminalStream;
  /** Takes what is overwritten again and again, if it is a terminal. */
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
