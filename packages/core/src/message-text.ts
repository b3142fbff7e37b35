/** Writes a count with its noun, such as "1 box" or "2 boxes". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Cuts a text after `maxChars` characters, with an ellipsis; never between the halves of a surrogate pair. */
export function cutText(text: string, maxChars: number): string {
  return text.length > maxChars ? `${text.slice(0, maxChars).toWellFormed()}…` : text;
}

/** Most names that a text lists, and most characters of each. */
const maxListed = 20;
const maxNameChars = 80;

/** Lists names for a message: the first twenty, each of at most 80 characters. */
export function listedNames(names: Iterable<string>): string {
  const listed: string[] = [];
  let count = 0;
  for (const name of names) {
    count += 1;
    if (count <= maxListed) listed.push(cutText(name, maxNameChars));
  }
  if (count === 0) return "none";
  const restCount = count - listed.length;
  return restCount > 0 ? `${listed.join(", ")} and ${restCount} more` : listed.join(", ");
}

/**
 * Returns the names most like `wanted`, by edit distance, at most three.
 *
 * @param maxDistance - of the nearest one; any by default, so that there is one if there are any names
 */
export function nearestNames(
  wanted: string,
  names: readonly string[],
  maxDistance: number = Number.POSITIVE_INFINITY,
): readonly string[] {
  const target = wanted.slice(0, longestCompared).toLowerCase();
  const byDistance = names
    .map((name) => ({
      name,
      distance: editDistance(target, name.slice(0, longestCompared).toLowerCase()),
    }))
    .toSorted((a, b) => a.distance - b.distance);
  const best = byDistance[0]?.distance ?? 0;
  return byDistance
    .filter(({ distance }) => distance <= Math.min(best + 1, maxDistance))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** Edits per character of a name up to which another may be what was meant. */
const maxEditShare = 0.4;

/** Returns the name that was probably meant; undefined if none is like it. */
export function meantName(written: string, names: readonly string[]): string | undefined {
  const comparedLength = Math.min(written.length, longestCompared);
  return nearestNames(written, names, Math.max(2, comparedLength * maxEditShare))[0];
}

/** The distance is quadratic in the length, and a caller chooses the length. */
const longestCompared = 64;

/** @see Wagner and Fischer 1974 */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const substitution = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const deletion = (previous[column] ?? 0) + 1;
      const insertion = (current[column - 1] ?? 0) + 1;
      current.push(Math.min(substitution, deletion, insertion));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
