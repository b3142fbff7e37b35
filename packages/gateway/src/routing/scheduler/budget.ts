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
const most = 100;

export function budget({ share, reserve }: BudgetSettings): Budget {
  let left = reserve;
  return {
    get left() {
      return left;
    },
    earn: () => {
      left = Math.min(left + share, Math.max(most, reserve));
    },
    spend: () => {
      if (left < 1) return false;
      left -= 1;
      return true;
    },
  };
}
