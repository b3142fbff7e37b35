/** Keeps retries to a share of all calls, so that a server in trouble is not asked more because it is. */
export interface RetryBudget {
  /** Told of every call when it begins. */
  deposit(): void;
  /** Takes one retry out; false if there is none left. */
  take(): boolean;
}

/** Retries that are there at the beginning, and that can be saved up. */
const reserve = 10;

/**
 * @param share - retries that each call earns, 0..1
 * @see gRFC A6, "Throttling Retry Attempts", for the same with tokens
 */
export function createRetryBudget(share = 0.2): RetryBudget {
  let left = reserve;
  return {
    deposit: () => {
      left = Math.min(reserve, left + share);
    },
    take: () => {
      if (left < 1) return false;
      left -= 1;
      return true;
    },
  };
}
