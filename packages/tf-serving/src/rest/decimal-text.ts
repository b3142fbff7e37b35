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
  const short = generalText(value, fewDigits);
  const readBack = type === "float" ? Math.fround(Number(short)) : Number(short);
  const text = readBack === value ? short : generalText(value, fullDigits[type]);
  return text.includes(".") || text.includes("e") ? text : `${text}.0`;
}

/** Writes a number as `%.*g` of C does. */
export function generalText(value: number, digits: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [rounded = "", exponentText = ""] = value.toExponential(digits - 1).split("e");
  const exponent = Number(exponentText);
  // C rounds what is halfway to the even digit, and JavaScript to the larger one.
  const last = Number(rounded.at(-1));
  const isDown = last % 2 === 1 && isHalfway(Math.abs(value), digits - 1 - exponent);
  const mantissa = isDown ? rounded.slice(0, -1) + (last - 1) : rounded;
  const kept = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  if (exponent < -4 || exponent >= digits) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${kept}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  const sign = value < 0 ? "-" : "";
  const all = kept.replace("-", "").replace(".", "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${all}`;
  const whole = all.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const decimals = all.slice(exponent + 1);
  return sign + whole + (decimals && `.${decimals}`);
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
