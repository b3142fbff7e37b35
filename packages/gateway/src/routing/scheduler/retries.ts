import type { AttemptFailure } from "./events.ts";

/** What is known of a request when an attempt of it has failed, this attempt counted. */
export interface FailedRequest {
  readonly isIdempotent: boolean;
  /** Attempts that may have reached a replica. */
  readonly failedCount: number;
  /** Replicas that answered it with a failure of their own. */
  readonly failedBy: readonly unknown[];
  /** Replicas that served others and lost their connection over this request. */
  readonly killCount: number;
}

export type NextStep =
  /** To another replica, at no cost. */
  | "again"
  /** To another replica, if the budget allows it. */
  | "again-if-budgeted"
  /** The caller is told. */
  | "give-up"
  /** No replica is lost over it any more. */
  | "quarantine";

/** Once more in the region, once in the next. */
const maxAnsweredFailures = 2;
/** Two replicas that served others are no chance. */
const maxKills = 2;

/**
 * The table of failures: what becomes of a request whose attempt failed.
 *
 * @param maxAttempts - that may have reached a replica
 * @see gRFC A6 for what was never sent: it may go again whatever it is
 */
export function afterFailure(
  failure: AttemptFailure,
  request: FailedRequest,
  maxAttempts: number,
): NextStep {
  if (failure === "never-sent" || failure === "turned-away") return "again";
  // Nothing was done, so that it may go again whatever it is; but who is to blame, a few replicas know as well as all.
  if (failure === "not-served" || failure === "unknown-label") {
    return request.failedCount >= maxAttempts ? "give-up" : "again";
  }
  if (!request.isIdempotent) return "give-up";
  if (failure === "warming") return "again";
  if (request.killCount >= maxKills) return "quarantine";
  if (request.failedCount >= maxAttempts) return "give-up";
  if (failure === "failed") {
    return request.failedBy.length > maxAnsweredFailures ? "give-up" : "again-if-budgeted";
  }
  return "again";
}

/** Extra work that is allowed: a share of all requests, and a few to begin with. */
export interface Budget {
  /** Extra attempts that may be made now. */
  readonly left: number;
  /** Told of every request. */
  earn(): void;
  /** Takes one, or says that there is none. */
  spend(): boolean;
}

export interface BudgetSettings {
  /** Extra attempts per request, 0..1. */
  readonly share: number;
  /** Extra attempts that are allowed whatever came before. */
  readonly reserve: number;
}

/** As much as can be saved up: a fault that lasts must not live on what a quiet day left. */
const maxSaved = 100;

export function createBudget({ share, reserve }: BudgetSettings): Budget {
  const budget = {
    left: reserve,
    earn: () => {
      budget.left = Math.min(budget.left + share, Math.max(maxSaved, reserve));
    },
    spend: () => {
      if (budget.left < 1) return false;
      budget.left -= 1;
      return true;
    },
  };
  return budget;
}
