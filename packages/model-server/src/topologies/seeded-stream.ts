import { seededRandom } from "@tensorgate/core";

/** Numbers that look random and are the same for the same name and seed, on every machine. */
export interface SeededStream {
  /** Fills `values` with the next numbers, uniform in `[-limit, limit)`. */
  fill(values: Float32Array, limit: number): void;
}

/** Creates the stream of a name: a tensor's values do not depend on those generated before it. */
export function createSeededStream(name: string, seed: number): SeededStream {
  const random = seededRandom(hash(name, seed));
  return {
    fill: (values, limit) => {
      for (let at = 0; at < values.length; at += 1) values[at] = random.between(-limit, limit);
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
