/** Parts of a number of JSON: sign, integer digits, decimals, exponent. */
const numberParts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Powers of ten that are doubles end here. */
const maxExponent = 308;
const maxMagnitude = { "": 2n ** 64n - 1n, "-": 2n ** 63n } as const;
const maxExactInteger = 2n ** 53n - 1n;
/** No further digit of an integer fits into a double from here on. */
const maxBeforeDigit = Number.MAX_VALUE / 10;
/** Decimals after so many digits do not count. */
const maxDigits = 17;

/**
 * Returns the double that the original's parser reads from a number of JSON. It multiplies by powers of ten in doubles,
 * so that its last digits may differ from those of the nearest double; errors quote it.
 *
 * @returns undefined if the parser finds the number too big, which it may do with any number before an exponent
 */
export function originalDouble(text: string): number | undefined {
  const [, sign = "", whole = "", decimals = "", exponent = "0"] = numberParts.exec(text) ?? [];
  const limit = maxMagnitude[sign as keyof typeof maxMagnitude];
  let integer = 0n;
  let read = 0;
  for (; read < whole.length; read += 1) {
    const next = integer * 10n + BigInt(whole[read] ?? "");
    if (next > limit) break;
    integer = next;
  }
  // The first digit is not counted.
  let digits = read - 1;
  const isExact = read === whole.length;
  let value = Number(integer);
  for (; read < whole.length; read += 1) {
    if (value >= maxBeforeDigit) return undefined;
    value = value * 10 + Number(whole[read]);
  }

  // There may be millions of zeros before the first digit that counts.
  let scale = integer === 0n ? decimals.search(/[1-9]|$/) : 0;
  if (isExact) {
    while (scale < decimals.length && integer <= maxExactInteger) {
      integer = integer * 10n + BigInt(decimals[scale] ?? "");
      scale += 1;
      digits += 1;
    }
    value = Number(integer);
  }
  for (; scale < decimals.length && digits < maxDigits; scale += 1, digits += 1) {
    value = value * 10 + Number(decimals[scale]);
  }
  if (Number(exponent) > maxExponent + scale) return undefined;
  const magnitude = scaled(value, Number(exponent) - scale);
  return sign === "-" ? -magnitude : magnitude;
}

/** Scales by a power of ten, in two steps if there is no double of that power. */
function scaled(value: number, power: number): number {
  if (power >= 0) return value * powerOfTen(power);
  if (power >= -maxExponent) return value / powerOfTen(-power);
  const rest = -power - maxExponent;
  return rest > maxExponent ? 0 : value / powerOfTen(maxExponent) / powerOfTen(rest);
}

/** The double nearest to a power of ten, which `**` does not always give. */
const powerOfTen = (exponent: number) => Number(`1e${exponent}`);

/** Whether a number is so long, or has so large an exponent, that it may be beyond a double. */
export const mayBeTooBig = (text: string): boolean =>
  text.length > maxExponent || Number(/[eE]\+?(\d+)$/.exec(text)?.[1] ?? 0) > maxExponent;
