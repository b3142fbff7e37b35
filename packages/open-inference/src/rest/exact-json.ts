import { chargeJson, type WorkBudget } from "@tensorgate/core";

/** Most digits of an integer that is read exactly: those of 64 bits, with a sign. */
const maxDigits = 20;

/** What a reviver gets as its third argument. @see ECMA-262, "JSON.parse source text access" */
type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

const withExactIntegers: Reviver = (_key, value, { source = "" }) =>
  typeof value === "number" &&
  !Number.isSafeInteger(value) &&
  source.length <= maxDigits &&
  /^-?\d+$/.test(source)
    ? BigInt(source)
    : value;

/**
 * Reads JSON that was read before, with integers beyond 2^53 as bigint.
 *
 * @param budget - charged again: it is parsed once more, and a function is called for each value
 * @throws TooLargeError where the budget ends
 */
export function exactJson(body: Uint8Array, budget: WorkBudget): unknown {
  chargeJson(body, budget);
  return JSON.parse(new TextDecoder().decode(body), withExactIntegers as (key: string) => unknown);
}
