/** Digits by which every float or double differs from its neighbours. */
const fullDigits = { float: 9, double: 17 } as const;

/** Digits that are tried first. */
const fewDigits = 6;

/**
 * Writes a number as TensorFlow Serving does: by six digits where they read back as the same number, else by as many as
 * its type needs; with `.0` behind a whole one.
 */
export function decimalText(value: number, type: keyof typeof fullDigits): string {
  if (!Number.isFinite(value)) return String(value);
  const text = shortText(value, type) ?? precisionText(value, fullDigits[type]);
  return text.includes(".") || text.includes("e") ? text : `${text}.0`;
}

/** Writes a number as `%.*g` of C does. */
export function generalText(value: number, precision: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [rounded = "", exponentText] = Math.abs(value)
    .toExponential(precision - 1)
    .split("e");
  const exponent = Number(exponentText);
  // C rounds what is halfway to the even digit, and JavaScript to the larger one.
  const last = Number(rounded.at(-1));
  const isDown = last % 2 === 1 && isHalfway(Math.abs(value), precision - 1 - exponent);
  const mantissa = isDown ? rounded.slice(0, -1) + (last - 1) : rounded;
  return sign(value) + layout(mantissa.replace(".", ""), exponent, precision);
}

/** Powers of five that a double holds. */
const maxFives = 22;

/**
 * Returns whether a number is exactly halfway between two decimals of so many places, of which negative ones are before
 * the point. With `places` after it, these are the numbers with one binary place more.
 */
function isHalfway(size: number, places: number): boolean {
  if (places >= 0) {
    const halves = size * 2 ** (places + 1);
    return Number.isInteger(halves) && halves % 2 === 1;
  }
  const step = 10 ** -places;
  return -places <= maxFives && size % step === step / 2;
}

/** A number by six digits; undefined if they read back as another one. */
function shortText(value: number, type: keyof typeof fullDigits): string | undefined {
  const rounded = roundedTo(Math.abs(value), fewDigits);
  if (!rounded) {
    const text = generalText(value, fewDigits);
    return isReadAs(value, Number(text), type) ? text : undefined;
  }
  // The text of most numbers has more digits, so that it is written only where it is wanted.
  if (isFarFrom(rounded, Math.abs(value), type)) return undefined;
  const read = Math.sign(value) * magnitudeOf(rounded, fewDigits);
  return isReadAs(value, read, type) ? roundedText(value, rounded, fewDigits) : undefined;
}

/** The smallest numbers with all of their digits, and the share of one that is more than half a unit of its last place. */
const resolution = {
  float: { min: 2 ** -126, share: 2 ** -22 },
  double: { min: 2 ** -1_022, share: 2 ** -48 },
} as const;

/** Whether digits are surely read as another number: a product that is not exact decides that for most. */
function isFarFrom(
  { digits, exponent }: Rounded,
  magnitude: number,
  type: keyof typeof fullDigits,
): boolean {
  const { min, share } = resolution[type];
  const product = scaledBy(digits, exponent + 1 - fewDigits);
  return magnitude >= min && Math.abs(product - magnitude) > magnitude * share;
}

const isReadAs = (value: number, read: number, type: keyof typeof fullDigits): boolean =>
  (type === "float" ? Math.fround(read) : read) === value;

function precisionText(value: number, precision: number): string {
  if (precision === fullDigits.double) {
    const size = Math.abs(value);
    if (isPlain(size)) return plainText(value);
    if (size >= 1e17 || (size < minHalfway && size > 0)) return exponentialText(value);
  }
  const rounded = roundedTo(Math.abs(value), precision);
  return rounded ? roundedText(value, rounded, precision) : generalText(value, precision);
}

/** Binary places of a number of less than 1e17 that is halfway between two of 17 digits, at most. */
const maxHalfwayPlaces = 21;

/** Whether 17 digits are written without an exponent, and none of them depends on how what is halfway is rounded. */
const isPlain = (size: number): boolean =>
  size >= 1e-4 && size < 1e17 && !Number.isInteger(size * 2 ** maxHalfwayPlaces);

/** Writes such a number, which has decimals, in a third of the time of `generalText`. */
function plainText(value: number): string {
  const text = value.toPrecision(fullDigits.double);
  let length = text.length;
  while (text.charCodeAt(length - 1) === 0x30) length -= 1;
  return text.slice(0, length);
}

/**
 * From here on up to 1e17 a double may be halfway between two decimals of 17 digits: below, it has 19 digits or more, and
 * above, it is a multiple of too many twos.
 */
const minHalfway = 2 ** -26;

/** Writes a number that has an exponent, and is not halfway between two of 17 digits. */
function exponentialText(value: number): string {
  const text = value.toPrecision(fullDigits.double);
  const end = text.lastIndexOf("e");
  let length = end;
  while (text.charCodeAt(length - 1) === 0x30) length -= 1;
  if (text.charCodeAt(length - 1) === 0x2e) length -= 1;
  const size = text.slice(end + 2);
  return `${text.slice(0, length)}${text.slice(end, end + 2)}${size.length === 1 ? "0" : ""}${size}`;
}

/** The first digits of a number as one integer, and the power of ten that the first of them stands for. */
interface Rounded {
  readonly digits: number;
  readonly exponent: number;
}

/** Powers of ten up to this one, and products of so many digits with them, are exact. */
const maxExactPower = 22;
const maxExactDigits = 15;

/** Of a quotient or product by a power of ten that is not exact, as a share of it: twice half a unit of the last place. */
const maxError = 2 ** -51;

/** Five to this power has 28 bits. */
const maxFloatPower = 12;

const powers = Float64Array.from({ length: 309 }, (_, exponent) => Number(`1e${exponent}`));
const scaledBy = (value: number, power: number): number =>
  power >= 0 ? value * (powers[power] ?? Number.NaN) : value / (powers[-power] ?? Number.NaN);

/**
 * Rounds by one multiplication, which takes a tenth of the time of `toExponential`: a response may have a million numbers.
 *
 * @returns undefined where that does not decide the last digit
 */
function roundedTo(magnitude: number, precision: number): Rounded | undefined {
  if (magnitude === 0 || precision > maxExactDigits) return undefined;
  const exponent = exponentOf(magnitude);
  const power = precision - 1 - exponent;
  const scaled = scaledBy(magnitude, power);
  const floor = Math.floor(scaled);
  const fraction = scaled - floor;
  // Also where it is no number, because the power of ten is none.
  const isSure = Math.abs(fraction - 0.5) > scaled * maxError;
  if (!isSure && !isExactProduct(magnitude, power)) return undefined;
  const isUp = fraction > 0.5 || (fraction === 0.5 && floor % 2 === 1);
  const digits = isUp ? floor + 1 : floor;
  if (digits < (powers[precision] as number)) return { digits, exponent };
  return { digits: digits / 10, exponent: exponent + 1 };
}

/** Where the last number was: the elements of a tensor are mostly of one size. */
let lastDecade = { exponent: 0, from: 1, below: 10 };

/** The power of ten that the first digit stands for. */
function exponentOf(magnitude: number): number {
  const { from, below } = lastDecade;
  if (magnitude >= from && magnitude < below) return lastDecade.exponent;
  let exponent = Math.floor(Math.log10(magnitude));
  if (magnitude >= scaledBy(1, exponent + 1)) exponent += 1;
  else if (magnitude < scaledBy(1, exponent)) exponent -= 1;
  lastDecade = { exponent, from: scaledBy(1, exponent), below: scaledBy(1, exponent + 1) };
  return exponent;
}

/** Whether a double holds the product: the 24 bits of a float, and those of a power of five. */
const isExactProduct = (magnitude: number, power: number): boolean =>
  power >= 0 && power <= maxFloatPower && Math.fround(magnitude) === magnitude;

/** The number that the digits are read as. */
function magnitudeOf({ digits, exponent }: Rounded, precision: number): number {
  const power = exponent + 1 - precision;
  // Both exact, so that the result is rounded once, as that of reading a text is.
  if (Math.abs(power) <= maxExactPower) return scaledBy(digits, power);
  return Number(`${digits}e${power}`);
}

const roundedText = (value: number, { digits, exponent }: Rounded, precision: number) =>
  sign(value) + layout(String(digits), exponent, precision);

const sign = (value: number) => (value < 0 ? "-" : "");

/** Lays digits out as `%.*g` does, without zeros at their end. */
function layout(digits: string, exponent: number, precision: number): string {
  let length = digits.length;
  while (length > 1 && digits.charCodeAt(length - 1) === 0x30) length -= 1;
  if (exponent < -4 || exponent >= precision) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    const decimals = length > 1 ? `.${digits.slice(1, length)}` : "";
    return `${digits[0]}${decimals}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${digits.slice(0, length)}`;
  const whole = digits.slice(0, exponent + 1);
  return length > exponent + 1 ? `${whole}.${digits.slice(exponent + 1, length)}` : whole;
}
