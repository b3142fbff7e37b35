/**
 * The shortest JSON number that reads back as the same float32: 0.1 rather than 0.10000000149011612.
 *
 * @param value - rounded to a float32 first; JSON knows no NaN and no infinity, so these become `null`
 */
export function float32Json(number: number): string {
  const value = Math.fround(number);
  if (!Number.isFinite(value)) return "null";
  if (Object.is(value, -0)) return "-0";
  for (let digits = 1; digits < 9; digits += 1) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return String(rounded);
  }
  return String(Number(value.toPrecision(9)));
}
