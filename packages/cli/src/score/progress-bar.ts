/** A progress bar in the last line of a terminal; draws nothing elsewhere. */
export interface ProgressBar {
  /** Writes a line above the bar. */
  print(write: () => void): void;
  advance(hasFailed: boolean): void;
  /** Removes the bar. */
  end(): void;
}

export interface TerminalStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const clearLine = "\r\u001b[2K";
const barWidth = 24;
const usualColumns = 80;

export function createProgressBar(total: number, stream: TerminalStream): ProgressBar {
  let done = 0;
  let failed = 0;
  const draw = () => {
    if (!stream.isTTY) return;
    const filled = Math.round((done / total) * barWidth);
    const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
    const failures = failed > 0 ? `, ${failed} failed` : "";
    // A terminal of unknown size reports 0 columns.
    const width = stream.columns || usualColumns;
    stream.write(clearLine + `${bar} ${done} of ${total}${failures}`.slice(0, width - 1));
  };
  const clear = () => {
    if (stream.isTTY) stream.write(clearLine);
  };
  draw();
  return {
    print: (write) => {
      clear();
      write();
      draw();
    },
    advance: (hasFailed) => {
      done += 1;
      failed += hasFailed ? 1 : 0;
      draw();
    },
    end: clear,
  };
}
