import { TooLargeError } from "./scoring-error.ts";

/**
 * What taking one message, form or file apart may still cost, in elements: fields, entries of lists and maps, JSON
 * values, parts, chunks. A parser charges each element before it is built, so that a message whose parsing would cost
 * far more than its bytes is rejected while it is read. Bytes are bounded elsewhere.
 */
export interface WorkBudget {
  /** Elements charged so far. */
  readonly spent: number;
  /** @throws TooLargeError if that is more than there is */
  spend(elementCount?: number): void;
}

/** @param maxElements - an integer >= 0 */
export function createWorkBudget(maxElements: number): WorkBudget {
  let spent = 0;
  return {
    get spent() {
      return spent;
    },
    spend: (elementCount = 1) => {
      spent += elementCount;
      if (spent <= maxElements) return;
      throw new TooLargeError(
        `the message has more than ${maxElements} elements (fields, entries, values or parts)`,
        { hint: "send several smaller messages, or tensors as raw bytes" },
      );
    },
  };
}
