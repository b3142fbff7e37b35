/** Lets callers await what other events bring about. */
export interface Conditions {
  /** Who waits. */
  readonly waiting: ReadonlySet<unknown>;
  /** Resolves as soon as `holds` does, which is checked now and with every `notify`. */
  waitUntil(holds: () => boolean): Promise<void>;
  /** Something changed that conditions may depend on. */
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
