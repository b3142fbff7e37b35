/** Limits retries to a share of all calls, so that retries do not add to the load of an overloaded server. */
export interface RetryBudget {
  /** Deposits the share of one call. Called when a call begins. */
  deposit(): void;
  /** Withdraws one retry; false if the budget is exhausted. */
  withdraw(): boolean;
}

/** Retries in the budget at the beginning, and at most. */
const maxRetriesLeft = 10;

/**
 * Creates a retry budget.
 *
 * @param share - retries that each call deposits, 0..1
 * @see gRFC A6, "Throttling Retry Attempts", for the same with tokens
 */
export function createRetryBudget(share = 0.2): RetryBudget {
  let left = maxRetriesLeft;
  return {
    deposit: () => {
      left = Math.min(maxRetriesLeft, left + share);
    },
    withdraw: () => {
      if (left < 1) return false;
      left -= 1;
      return true;
    },
  };
}
