/** Figures of one round by name; the name ends in the unit. */
export type Figures = Readonly<Record<string, number>>;

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** One row of a table: what one subject showed over the rounds. */
export interface Row {
  /** What was measured, such as `image-100kb`. */
  readonly row: string;
  readonly subject: string;
  readonly figures: Readonly<Record<string, Summary>>;
}

/** @param values - at least one */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (position: number) => rounded(sorted[position] ?? Number.NaN);
  return { median: at(Math.floor(sorted.length / 2)), min: at(0), max: at(sorted.length - 1) };
}

export function summarizeRounds(row: string, subject: string, rounds: readonly Figures[]): Row {
  const names = Object.keys(rounds[0] ?? {});
  const figures = names.map((name) => {
    const values = rounds.map((figuresOfRound) => figuresOfRound[name] ?? Number.NaN);
    return [name, summarize(values)] as const;
  });
  return { row, subject, figures: Object.fromEntries(figures) };
}

/** @returns a row as one flat object: medians by name, the ends of their ranges by `nameMin` and `nameMax` */
export function flatRow({ row, subject, figures }: Row): Readonly<Record<string, number | string>> {
  const flat = Object.entries(figures).flatMap(([name, { median, min, max }]) => [
    [name, median],
    [`${name}Min`, min],
    [`${name}Max`, max],
  ]);
  return { row, subject, ...Object.fromEntries(flat) };
}

/** Four digits: no figure of a benchmark has more that mean something. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
