/** Uniform in `[0, 1)`; the same for the same seed. Mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export type Random = () => number;

export const below = (random: Random, limit: number): number => Math.floor(random() * limit);

export function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[below(random, values.length)] as Value;
}

/** What readers of lengths, counts and numbers stumble over. */
const magic: readonly Buffer[] = [
  Buffer.from("ffffffffffffffffff01", "hex"),
  Buffer.from("80808080808080808080", "hex"),
  Buffer.from("ffffffff0f", "hex"),
  Buffer.from("7fffffff", "hex"),
  Buffer.from("00000000", "hex"),
  Buffer.from("\r\n\r\n", "latin1"),
  Buffer.from("__proto__", "latin1"),
  Buffer.from("%00%2e%2e%2f", "latin1"),
  Buffer.from("\u{1f600}\ufeff", "utf8"),
];

/** Damages `bytes` in one to eight places. */
export function mutate(bytes: Uint8Array, random: Random): Buffer {
  let damaged: Buffer = Buffer.from(bytes);
  const times = 1 + below(random, 8);
  for (let count = 0; count < times; count += 1) damaged = damagedOnce(damaged, random);
  return damaged;
}

function damagedOnce(bytes: Buffer, random: Random): Buffer {
  const at = below(random, bytes.length + 1);
  const span = 1 + below(random, pick(random, [4, 16, 256]));
  const before = bytes.subarray(0, at);
  switch (below(random, 7)) {
    case 0: {
      const flipped = Buffer.from(bytes);
      if (at < flipped.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << below(random, 8));
      return flipped;
    }
    case 1: {
      const set = Buffer.from(bytes);
      if (at < set.length) set[at] = below(random, 256);
      return set;
    }
    case 2:
      return Buffer.concat([before, bytes.subarray(at + span)]);
    case 3:
      return Buffer.concat([before, bytes.subarray(at, at + span), bytes.subarray(at)]);
    case 4:
      return Buffer.concat([before, pick(random, magic), bytes.subarray(at)]);
    case 5:
      return Buffer.concat([before, pick(random, magic), bytes.subarray(at + span)]);
    default:
      return Buffer.from(before);
  }
}
