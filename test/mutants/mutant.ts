/** A change to a line that keeps the gateway safe; some test must fail because of it. */
export interface Mutant {
  /** Names it in the report and for `--only`. */
  readonly name: string;
  /** Path from the root of the repository. */
  readonly file: string;
  /** Text that stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Test files that must notice, from the root; one failing test among them is enough. */
  readonly tests: readonly string[];
}

/** @throws Error if the text is not there exactly once, or nothing would change */
export function mutated({ name, file, find, replace }: Mutant, source: string): string {
  const first = source.indexOf(find);
  if (first === -1) throw new Error(`${name}: ${file} has no ${JSON.stringify(find)}`);
  if (source.includes(find, first + 1)) {
    throw new Error(`${name}: ${file} has ${JSON.stringify(find)} more than once`);
  }
  if (find === replace) throw new Error(`${name}: nothing changes`);
  return source.slice(0, first) + replace + source.slice(first + find.length);
}

/** Several mutants of one file, with the tests that hold it. */
export const mutantsOf = (
  file: string,
  tests: readonly string[],
  changes: readonly Pick<Mutant, "name" | "find" | "replace">[],
): readonly Mutant[] => changes.map((change) => ({ ...change, file, tests }));
