/**
 * The names most like `wanted`, by edit distance, at most three.
 *
 * @returns at least one name if there are any
 */
export function nearestNames(wanted: string, names: readonly string[]): readonly string[] {
  const target = wanted.slice(0, longestCompared).toLowerCase();
  const byDistance = names
    .map((name) => ({
      name,
      distance: editDistance(target, name.slice(0, longestCompared).toLowerCase()),
    }))
    .toSorted((a, b) => a.distance - b.distance);
  const best = byDistance[0]?.distance ?? 0;
  return byDistance
    .filter(({ distance }) => distance <= best + 1)
    .slice(0, 3)
    .map(({ name }) => name);
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
