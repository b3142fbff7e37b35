/** Lets callers await conditions. */
export interface Conditions {
  /** The callers that wait. */
  readonly waiting: ReadonlySet<unknown>;
  /** Resolves when `holds` returns true, which is checked now and with every `notify`. */
  waitUntil(holds: () => boolean): Promise<void>;
  /** Checks all conditions again. */
  notify(): void;
}

interface Waiting {
  readonly holds: () => boolean;
  readonly wake: () => void;
}

export function createConditions(): Conditions {
  const waiting = new Set<Waiting>();
  return {
    waiting,
    waitUntil: (holds) =>
      holds()
        ? Promise.resolve()
        : new Promise((resolve) => void waiting.add({ holds, wake: resolve })),
    notify: () => {
      for (const each of waiting) {
        if (!each.holds()) continue;
        waiting.delete(each);
        each.wake();
      }
    },
  };
}
