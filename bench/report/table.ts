import type { Row } from "../statistics.ts";

interface Column {
  readonly title: string;
  readonly text: (value: number) => string;
  /** Whether the ends of the range are shown as well. */
  readonly hasRange?: boolean;
}

const whole = (value: number) => value.toFixed(0);
const hundredths = (value: number) => value.toFixed(2);

/** Figures by name, in the order in which tables show them. */
const columns: Readonly<Record<string, Column>> = {
  cpuMicros: { title: "CPU µs/request", text: whole, hasRange: true },
  okShare: { title: "answered", text: (share) => `${(100 * share).toFixed(share < 1 ? 1 : 0)} %` },
  requestsPerSecond: { title: "answers/s", text: whole },
  medianMs: { title: "median ms", text: hundredths },
  p99Ms: { title: "p99 ms", text: hundredths },
  startMs: { title: "start ms", text: whole, hasRange: true },
  startCpuMs: { title: "CPU ms", text: whole },
  bytesPerConnection: { title: "bytes/connection", text: whole, hasRange: true },
  cpuShare: { title: "CPU when idle", text: (share) => `${(100 * share).toFixed(2)} %` },
  megabytesPerSecond: { title: "MB/s", text: whole, hasRange: true },
  seconds: { title: "seconds", text: hundredths, hasRange: true },
  peakMiB: { title: "peak MiB", text: whole, hasRange: true },
  residentMiB: { title: "resident MiB", text: whole },
};

/** @returns cells of a table for rows of one group, the head first */
export function tableOf(rows: readonly Row[]): readonly (readonly string[])[] {
  const names = Object.keys(columns).filter((name) => rows.some(({ figures }) => figures[name]));
  const head = ["row", "subject", ...names.map((name) => columns[name]?.title ?? name)];
  return [head, ...rows.map((row) => [row.row, row.subject, ...names.map(cellOf(row))])];
}

function cellOf({ figures }: Row): (name: string) => string {
  return (name) => {
    const column = columns[name];
    const summary = figures[name];
    if (!column || !summary) return "";
    const { text, hasRange } = column;
    const range = hasRange ? ` (${text(summary.min)}–${text(summary.max)})` : "";
    return `${text(summary.median)}${range}`;
  };
}

/** @returns the table for a terminal */
export function plainTable(cells: readonly (readonly string[])[]): string {
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((line) => line[column]?.length ?? 0)),
  );
  const lines = cells.map((line) =>
    line
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column < 2 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  "),
  );
  return `${lines.join("\n")}\n`;
}

/** @returns the table for a page in Markdown */
export function markdownTable([head = [], ...lines]: readonly (readonly string[])[]): string {
  const rule = head.map((_, column) => (column < 2 ? "---" : "---:"));
  return [head, rule, ...lines].map((line) => `| ${line.join(" | ")} |`).join("\n");
}
