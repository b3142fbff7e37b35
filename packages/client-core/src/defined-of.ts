/** Values that are not undefined. */
export type Defined<Values> = { [Key in keyof Values]: NonNullable<Values[Key]> };

/** Returns a copy without the members that are undefined. */
export function definedOf<Values extends object>(values: Values): Defined<Values> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<Values>;
}
