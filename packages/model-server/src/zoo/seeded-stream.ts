/** Numbers that look random and are the same for the same name and seed, on every machine. */
export interface SeededStream {
  /** Fills `values` with the next numbers, uniform in `[-limit, limit)`. */
  fill(values: Float32Array, limit: number): void;
}

/**
 * A stream of its own for every name, so that a tensor's values do not depend on what was made before it.
 *
 * @see sfc32 by Chris Doty-Humphrey, in PractRand
 */
export function seededStream(name: string, seed: number): SeededStream {
  const next = seedSequence(hash(name, seed));
  let a = next();
  let b = next();
  let c = next();
  let counter = 1;

  function draw(): number {
    const drawn = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + drawn;
    c |= 0;
    return drawn >>> 0;
  }
  // The first draws still show the seed.
  for (let round = 0; round < 12; round += 1) draw();

  return {
    fill: (values, limit) => {
      const factor = (2 * limit) / 2 ** 32;
      for (let at = 0; at < values.length; at += 1) values[at] = draw() * factor - limit;
    },
  };
}

/** FNV-1a with a final mix. */
function hash(text: string, seed: number): number {
  let state = (0x811c9dc5 ^ seed) >>> 0;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193);
  state ^= state >>> 16;
  state = Math.imul(state, 0x85ebca6b);
  return (state ^ (state >>> 13)) >>> 0;
}

/** SplitMix with 32 bits, to spread one number over a state of three. */
function seedSequence(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return mixed ^ (mixed >>> 15);
  };
}
