/** A line at the bottom of a terminal that says how far it is; nothing where there is no terminal. */
export interface ProgressBar {
  /** Writes a line above the bar. */
  print(write: () => void): void;
  advance(hasFailed: boolean): void;
  /** Takes the bar away. */
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
    // A terminal that was never told its size says that it has no columns.
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
