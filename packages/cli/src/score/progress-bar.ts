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
/** What takes less is done before a user could read how long it takes, in milliseconds. */
const minShownMs = 1_000;

export function createProgressBar(
  total: number,
  stream: TerminalStream,
  nowMs: () => number = () => performance.now(),
): ProgressBar {
  const startedMs = nowMs();
  let done = 0;
  let failed = 0;
  const draw = () => {
    if (!stream.isTTY) return;
    const filled = Math.round((done / total) * barWidth);
    const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
    const failures = failed > 0 ? `, ${failed} failed` : "";
    const leftMs = done === 0 ? 0 : ((nowMs() - startedMs) / done) * (total - done);
    const left = leftMs < minShownMs ? "" : `, ${timeText(leftMs)} left`;
    // A terminal of unknown size reports 0 columns.
    const width = stream.columns || usualColumns;
    stream.write(clearLine + `${bar} ${done} of ${total}${failures}${left}`.slice(0, width - 1));
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

/** Writes a duration as people say it: 12 s, 3 min 20 s, 2 h 5 min. */
export function timeText(durationMs: number): string {
  const seconds = Math.round(durationMs / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}
