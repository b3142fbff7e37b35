/** A number `significand * 2^exponent`. */
interface Scaled {
  readonly significand: bigint;
  readonly exponent: number;
}

const bits64 = (1n << 64n) - 1n;

/**
 * Writes a double as the original's JSON writer does: the digits of Grisu2, which are not always the shortest ones, with
 * a point in every number and an exponent from 1e21 on and below 1e-6.
 *
 * @see Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers" (PLDI 2010), section 6
 */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "-Infinity" : "Infinity";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (value === 0) return `${sign}0.0`;
  const { digits, power } = grisu2(Math.abs(value));
  return sign + placed(digits, power);
}

/** The digits times ten to `power`, written out. */
function placed(digits: string, power: number): string {
  const point = digits.length + power;
  if (power >= 0 && point <= 21) return `${digits}${"0".repeat(power)}.0`;
  if (point > 0 && point <= 21) return `${digits.slice(0, point)}.${digits.slice(point)}`;
  if (point > -6 && point <= 0) return `0.${"0".repeat(-point)}${digits}`;
  const [first = "", rest] = [digits[0], digits.slice(1)];
  return `${first}${rest && `.${rest}`}e${point - 1}`;
}

function grisu2(value: number): { readonly digits: string; readonly power: number } {
  const exact = scaledFrom(value);
  const { lower, upper } = boundaries(exact);
  const { scale, power } = cachedPower(upper.exponent);
  const middle = product(normalized(exact), scale);
  const high = product(upper, scale).significand - 1n;
  const low = product(lower, scale).significand + 1n;
  const shift = BigInt(-middle.exponent);
  const one = 1n << shift;
  let delta = high - low;
  const distance = high - middle.significand;

  const whole = high >> shift;
  let fraction = high & (one - 1n);
  let digits = "";
  const wholeText = whole.toString();
  for (let left = wholeText.length - 1; left >= 0; left -= 1) {
    digits += wholeText[wholeText.length - 1 - left];
    const rest = ((whole % 10n ** BigInt(left)) << shift) + fraction;
    if (rest > delta) continue;
    const unit = (10n ** BigInt(left)) << shift;
    return { digits: rounded(digits, { delta, rest, unit, distance }), power: power + left };
  }
  let scaledDistance = distance;
  for (let down = 1; ; down += 1) {
    fraction *= 10n;
    delta *= 10n;
    scaledDistance *= 10n;
    const digit = fraction >> shift;
    if (digit !== 0n || digits !== "") digits += digit;
    fraction &= one - 1n;
    if (fraction >= delta) continue;
    // The original's table of powers ends here, and then it does not round.
    const known = down < tableSize ? scaledDistance : 0n;
    const bounds = { delta, rest: fraction, unit: one, distance: known };
    return { digits: rounded(digits, bounds), power: power - down };
  }
}

interface Bounds {
  readonly delta: bigint;
  readonly rest: bigint;
  readonly unit: bigint;
  readonly distance: bigint;
}

/** Lowers the last digit as long as that comes nearer to the value, and stays within its bounds. */
function rounded(digits: string, { delta, rest, unit, distance }: Bounds): string {
  let last = Number(digits.at(-1));
  for (let now = rest; now < distance && delta - now >= unit; now += unit) {
    if (now + unit >= distance && distance - now <= now + unit - distance) break;
    last -= 1;
  }
  return digits.slice(0, -1) + last;
}

function scaledFrom(value: number): Scaled {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const stored = bits & ((1n << 52n) - 1n);
  return biased === 0
    ? { significand: stored, exponent: -1074 }
    : { significand: stored | (1n << 52n), exponent: biased - 1075 };
}

/** The same number with a significand of 64 bits. */
function normalized({ significand, exponent }: Scaled): Scaled {
  const shift = 64 - significand.toString(2).length;
  return { significand: significand << BigInt(shift), exponent: exponent - shift };
}

/** Halfway to the next doubles below and above, with one exponent. */
function boundaries({ significand, exponent }: Scaled): {
  readonly lower: Scaled;
  readonly upper: Scaled;
} {
  const upper = normalized({ significand: (significand << 1n) + 1n, exponent: exponent - 1 });
  // Below a power of two the next double is half as far away.
  const isPower = significand === 1n << 52n;
  const below = isPower
    ? { significand: (significand << 2n) - 1n, exponent: exponent - 2 }
    : { significand: (significand << 1n) - 1n, exponent: exponent - 1 };
  const shift = BigInt(below.exponent - upper.exponent);
  return { lower: { significand: below.significand << shift, exponent: upper.exponent }, upper };
}

/** The upper 64 bits of a product, rounded. */
function product(one: Scaled, other: Scaled): Scaled {
  const whole = one.significand * other.significand + (1n << 63n);
  return { significand: (whole >> 64n) & bits64, exponent: one.exponent + other.exponent + 64 };
}

/** Powers of ten that the original scales a distance by. */
const tableSize = 9;

const firstPower = -348;
const powerStep = 8;

/** A power of ten, of every eighth, that brings a number of this exponent into the range of the digits. */
function cachedPower(exponent: number): { readonly scale: Scaled; readonly power: number } {
  const wanted = (-61 - exponent) * Math.LOG10E * Math.LN2 + 347;
  const index = (Math.ceil(wanted) >> 3) + 1;
  const power = firstPower + index * powerStep;
  return { scale: powerOfTen(power), power: -power };
}

/** Ten to `power`, rounded to a significand of 64 bits. */
function powerOfTen(power: number): Scaled {
  if (power >= 0) return roundedTo64(10n ** BigInt(power), 0);
  const extra = 64 + Math.ceil(-power * Math.LOG2E * Math.LN10) + 64;
  return roundedTo64((1n << BigInt(extra)) / 10n ** BigInt(-power), -extra);
}

function roundedTo64(significand: bigint, exponent: number): Scaled {
  const surplus = significand.toString(2).length - 64;
  if (surplus <= 0) return normalized({ significand, exponent });
  const half = 1n << BigInt(surplus - 1);
  return normalized({
    significand: (significand + half) >> BigInt(surplus),
    exponent: exponent + surplus,
  });
}
