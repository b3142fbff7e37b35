/** Who waits until a replica has nothing left to do. */
export interface DrainWatch {
  /** Resolves as soon as the replica is idle, at once if it is already. */
  until(replicaId: string): Promise<void>;
  /** Told that some replica may be idle now. */
  look(): void;
}

export function drainWatch(isIdle: (replicaId: string) => boolean): DrainWatch {
  const waiting = new Map<string, Set<() => void>>();
  return {
    until: (replicaId) => {
      if (isIdle(replicaId)) return Promise.resolve();
      return new Promise((resolve) => {
        const others = waiting.get(replicaId) ?? new Set();
        waiting.set(replicaId, others.add(resolve));
      });
    },
    look: () => {
      for (const [replicaId, all] of waiting) {
        if (!isIdle(replicaId)) continue;
        waiting.delete(replicaId);
        for (const wake of all) wake();
      }
    },
  };
}
