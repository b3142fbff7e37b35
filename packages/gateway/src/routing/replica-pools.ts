import type { ClockAndRandom } from "@tensorgate/core";
import type { RoutingOptions } from "./options.ts";
import { type PoolMembers, type Probe, type ReplicaPool, replicaPool } from "./replica-pool.ts";
import { healthStates, type ReplicaState } from "./replica-set.ts";

export interface ReplicaPools {
  readonly all: readonly ReplicaPool[];
  /** Regions where `model` is configured. */
  regionsOf(model: string): readonly string[];
  /** Ready as soon as one replica of some pool is, and as long as the gateway is not closing. */
  readiness(gateway: { readonly isClosing: boolean }): {
    readonly isReady: boolean;
    readonly because: string;
  };
  /** Resolves when every pool can serve. */
  ready(): Promise<void>;
  /** How many replicas of each model and region are in each state. */
  counts(): readonly ReplicaCount[];
  close(): void;
}

export interface ReplicaCount {
  readonly model: string;
  readonly region: string;
  readonly state: ReplicaState["health"]["state"];
  readonly count: number;
}

export interface PoolsParts extends ClockAndRandom {
  readonly options: Required<RoutingOptions>;
  readonly probe: Probe;
}

/** One pool per model and region: what is configured twice for the same is one pool. */
export function replicaPools(members: readonly PoolMembers[], parts: PoolsParts): ReplicaPools {
  const waiting = new Set<() => void>();
  const onHealthChange = () => {
    if (servingCount() < all.length) return;
    for (const wake of waiting) wake();
    waiting.clear();
  };
  const all = merged(members).map((each) =>
    replicaPool({ ...parts, members: each, onHealthChange }),
  );

  function servingCount(): number {
    return all.filter((pool) => pool.states().some(({ health }) => health.state === "ready"))
      .length;
  }

  return {
    all,
    regionsOf: (model) => all.filter((pool) => pool.model === model).map((pool) => pool.region),
    readiness: ({ isClosing }) => {
      if (isClosing) return { isReady: false, because: "the gateway is closing" };
      const count = servingCount();
      return { isReady: count > 0, because: `${count} of ${all.length} pools can serve` };
    },
    ready: () =>
      servingCount() === all.length
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiting.add(resolve);
          }),
    counts: () =>
      all.flatMap(({ model, region, states }) =>
        healthStates.map((state) => ({
          model,
          region,
          state,
          count: states().filter(({ health }) => health.state === state).length,
        })),
      ),
    close: () => {
      for (const pool of all) pool.close();
    },
  };
}

function merged(members: readonly PoolMembers[]): readonly PoolMembers[] {
  const byKey = new Map<string, PoolMembers>();
  for (const each of members) {
    const key = JSON.stringify([each.model, each.region]);
    const before = byKey.get(key)?.replicaIds ?? [];
    const replicaIds = [...new Set([...before, ...each.replicaIds])];
    byKey.set(key, { ...each, replicaIds });
  }
  return [...byKey.values()];
}
