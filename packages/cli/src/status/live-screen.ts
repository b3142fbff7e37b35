/** A terminal. */
export interface TerminalScreen {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

/** A full-screen view of a terminal, whose previous content is restored at the end. */
export interface LiveScreen {
  draw(lines: readonly string[]): void;
  /** Restores the terminal, and prints `last` below. Only the first call has an effect. */
  end(last?: readonly string[]): void;
}

const control = "\u001b[";
/** Alternate buffer, hidden cursor, no line wrap. */
const begin = `${control}?1049h${control}?25l${control}?7l`;
const restore = `${control}?7h${control}?25h${control}?1049l`;
/** Synchronized update: supporting terminals show the output between them in one step, others ignore them. */
const [beginUpdate, endUpdate] = [`${control}?2026h`, `${control}?2026l`];
const home = `${control}H`;
const clearRight = `${control}K`;
const clearBelow = `${control}J`;

export function createLiveScreen(stream: TerminalScreen): LiveScreen {
  let isOpen = false;
  return {
    draw: (lines) => {
      const first = isOpen ? "" : begin;
      isOpen = true;
      // Overwritten in one write: clearing first would flicker.
      const body = lines.map((line) => `${line}${clearRight}`).join("\r\n");
      stream.write(`${first}${beginUpdate}${home}${body}${clearBelow}${endUpdate}`);
    },
    end: (last = []) => {
      if (!isOpen) return;
      isOpen = false;
      stream.write(restore + last.map((line) => `${line}\n`).join(""));
    },
  };
}

/** Returns the size of a terminal; one of unknown size reports 0 columns. */
export function sizeOf({ columns, rows }: TerminalScreen): { width: number; height: number } {
  return { width: columns || 80, height: rows || 24 };
}
