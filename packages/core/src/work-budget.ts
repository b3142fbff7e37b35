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

/**
 * Longest key of a map or an object, and longest name, in bytes. JavaScript's engine hashes a text of 16,384 characters and more by its
 * length alone: among such keys each one would be compared with all the others.
 */
const maxKeyBytes = 1_024;

/** @throws TooLargeError if a key or a name of so many bytes is longer than they may be */
export function assertKeyLength(byteCount: number): void {
  if (byteCount <= maxKeyBytes) return;
  throw new TooLargeError(`the message has a key or name of more than ${maxKeyBytes} bytes`);
}

/** @param maxElements - an integer >= 0 */
export function createWorkBudget(maxElements: number): WorkBudget {
  const budget: WorkBudget & { spent: number } = {
    spent: 0,
    spend: (elementCount = 1) => {
      budget.spent += elementCount;
      if (budget.spent <= maxElements) return;
      throw new TooLargeError(
        `the message has more than ${maxElements} elements (fields, entries, values or parts)`,
        { hint: "send several smaller messages, or tensors as raw bytes" },
      );
    },
  };
  return budget;
}
