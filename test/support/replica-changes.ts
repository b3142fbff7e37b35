import type { ReplicaChange } from "@tensorgate/gateway";

/** Watches the states of a gateway's replicas. */
export interface ReplicaChanges {
  /** To be handed to the gateway. */
  readonly onReplica: (change: ReplicaChange) => void;
  readonly seen: readonly ReplicaChange[];
  /** Resolves as soon as a replica is in a state, at once if it is already. */
  until(alias: string, state: ReplicaChange["to"]): Promise<void>;
  /** States that a replica has been in, in their order. */
  statesOf(alias: string): readonly ReplicaChange["to"][];
}

export function replicaChanges(): ReplicaChanges {
  const seen: ReplicaChange[] = [];
  const waiting = new Set<() => void>();
  const statesOf = (alias: string) =>
    seen.filter((change) => change.alias === alias).map(({ to }) => to);
  return {
    seen,
    statesOf,
    onReplica: (change) => {
      seen.push(change);
      for (const look of waiting) look();
    },
    until: (alias, state) =>
      new Promise((resolve) => {
        const look = () => {
          if (statesOf(alias).at(-1) !== state) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}
