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
  const [mantissa = "", exponentText = ""] = value.toExponential(digits - 1).split("e");
  const exponent = Number(exponentText);
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
