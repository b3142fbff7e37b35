/** Draws that are the same on every machine, for the same seed. */
export interface Random {
  /** Uniform in `[0, 1)`. */
  next(): number;
  /** Uniform in `[low, high)`. */
  between(low: number, high: number): number;
  /** An integer in `[0, count)`. */
  below(count: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
}

/** @see sfc32 of PractRand by Chris Doty-Humphrey; seeded through splitmix32 */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  const split = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) | 0;
  };
  let a = split();
  let b = split();
  let c = split();
  let counter = 1;

  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  // The first draws still show the seed.
  for (let warmUp = 0; warmUp < 12; warmUp += 1) next();

  return {
    next,
    between: (low, high) => low + (high - low) * next(),
    below: (count) => Math.floor(next() * count),
    chance: (probability) => next() < probability,
  };
}
