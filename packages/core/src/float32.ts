/**
 * The number with the shortest text that reads back as the same float32: 0.1 rather than 0.10000000149011612.
 *
 * @param value - rounded to a float32 first; what is not finite comes back as it is
 */
export function shortestFloat32(value: number): number {
  const rounded = Math.fround(value);
  // A negative zero would lose its sign as text.
  if (!Number.isFinite(rounded) || rounded === 0) return rounded;
  // Up to six digits read back whatever they are, so that six of them end in zeros where fewer would do.
  const fewest = Math.abs(rounded) < smallestNormal ? 1 : 6;
  for (let digits = fewest; digits < 9; digits += 1) {
    const shorter = Number(rounded.toPrecision(digits));
    if (Math.fround(shorter) === rounded) return shorter;
  }
  return Number(rounded.toPrecision(9));
}

/** Smaller ones have fewer digits than the others. */
const smallestNormal = 2 ** -126;
