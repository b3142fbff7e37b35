/** A terminal. */
export interface TerminalScreen {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

/** The whole of a terminal, drawn anew again and again; whatever was on it comes back at the end. */
export interface LiveScreen {
  draw(lines: readonly string[]): void;
  /** Gives the terminal back as it was, with `last` below. Does it once. */
  end(last?: readonly string[]): void;
}

const control = "\u001b[";
/** Another buffer, no cursor, nothing that goes on in the next line. */
const begin = `${control}?1049h${control}?25l${control}?7l`;
const restore = `${control}?7h${control}?25h${control}?1049l`;
/** Terminals that know these show what is between them at once; others let them pass. */
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
      // Written over in place and in one piece: what is cleared first would flicker.
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

/** A terminal that was never told its size says that it has no columns. */
export function sizeOf({ columns, rows }: TerminalScreen): { width: number; height: number } {
  return { width: columns || 80, height: rows || 24 };
}
