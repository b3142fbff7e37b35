/** Where one waits until something holds. */
export interface WaitingRoom {
  /** Resolves as soon as it holds, at once if it does already. */
  until(): Promise<void>;
  /** Told that it may hold now. */
  look(): void;
}

export function waitingRoom(holds: () => boolean): WaitingRoom {
  const waiting = new Set<() => void>();
  return {
    until: () => (holds() ? Promise.resolve() : new Promise((resolve) => waiting.add(resolve))),
    look: () => {
      if (waiting.size === 0 || !holds()) return;
      for (const wake of waiting) wake();
      waiting.clear();
    },
  };
}
