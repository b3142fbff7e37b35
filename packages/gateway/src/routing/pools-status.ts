import type { GatewayStatus, PoolStatus, ReplicaStatus } from "@tensorgate/core";
import { knownRoundTripMs, regionsInOrder } from "./region-choice.ts";
import type { ReplicaPool } from "./replica-pool.ts";
import type { ReplicaState } from "./replica-set.ts";

/** How the pools are doing, the gateway's own region first. Replicas are numbered in their region, so that no address is told. */
export function poolsStatus(
  pools: readonly ReplicaPool[],
  ownRegion: string,
): Pick<GatewayStatus, "regions"> {
  const names = [...new Set(pools.map(({ region }) => region))];
  return {
    regions: regionsInOrder(names, ownRegion, {}).map((name) => {
      const ofRegion = pools.filter(({ region }) => region === name);
      const ids = ofRegion.flatMap((pool) => pool.states().map(({ id }) => id));
      const numbers = new Map([...new Set(ids)].map((id, index) => [id, index + 1]));
      const roundTripMs = knownRoundTripMs(ownRegion, name);
      return {
        name,
        ...(roundTripMs !== undefined && { roundTripMs }),
        pools: ofRegion.map(
          (pool): PoolStatus => ({
            model: pool.model,
            replicas: pool
              .states()
              .map((state) => replicaStatus(`${name}-${numbers.get(state.id)}`, state)),
          }),
        ),
      };
    }),
  };
}

function replicaStatus(id: string, { inFlight, health, counts }: ReplicaState): ReplicaStatus {
  const { answered, failed, latencyMs } = counts;
  return {
    ...{ id, state: health.state, inFlight, answered, failed },
    ...(latencyMs !== undefined && { latencyMs }),
  };
}
