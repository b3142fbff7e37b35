const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Smallest float16 that is not subnormal, and the largest finite one's successor, as bits of a float32. */
const smallestNormal = 0x38800000;
const infinity = 0x7f800000;

/** The 16 bits of the half-precision float nearest to `value`; of two as near, the even one. */
export function float16Bits(value: number): number {
  float[0] = value;
  const all = bits[0] as number;
  const sign = (all >>> 16) & 0x8000;
  const magnitude = all & 0x7fffffff;
  if (magnitude >= infinity) return sign | (magnitude > infinity ? 0x7e00 : 0x7c00);
  if (magnitude < smallestNormal) return sign | roundedToEven(Math.abs(value) * 2 ** 24);
  // Rounded at the thirteenth bit from below, the exponent brought from a bias of 127 to one of 15.
  const rounded = ((magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13) - 0x1c000;
  return sign | Math.min(rounded, 0x7c00);
}

/** The value of a half-precision float of these 16 bits. */
export function float16Value(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (fraction + 0x400) * 2 ** (exponent - 25);
}

function roundedToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** Made when it is first needed: a network gives a million of them, and a look-up takes a fraction of the arithmetic. */
let table: Float32Array | undefined;

/** Values of little-endian half-precision floats. */
export function float16Values(data: Uint8Array): Float32Array {
  table ??= Float32Array.from({ length: 0x10000 }, (_, half) => float16Value(half));
  const values = new Float32Array(data.byteLength / 2);
  for (let at = 0; at < values.length; at += 1) {
    const half = (data[at * 2] as number) | ((data[at * 2 + 1] as number) << 8);
    values[at] = table[half] as number;
  }
  return values;
}
