import type { PoolOptions } from "./pool-options.ts";

export interface SharedDeviceFault {
  /** Index of the pool. */
  readonly index: number;
  readonly message: string;
}

/**
 * Finds devices that several pools list with different settings. A swap would take such a device out of rotation in one
 * pool, and leave it in another.
 */
export function* sharedDeviceFaults(pools: readonly PoolOptions[]): Iterable<SharedDeviceFault> {
  for (const [index, pool] of pools.entries()) {
    for (const address of pool.replicas ?? []) {
      const first = pools.findIndex(({ replicas }) => replicas?.includes(address));
      const other = pools[first];
      if (first === index || !other || !(pool.exclusive || other.exclusive)) continue;
      if (reachedBy(pool) === reachedBy(other)) continue;
      yield {
        index,
        message: `${address} is a device that pools[${first}] lists as well; exclusive, region, parallelism, tls and key must be the same in both`,
      };
    }
  }
}

function reachedBy({ exclusive = false, region, parallelism, tls, key }: PoolOptions): string {
  return JSON.stringify([exclusive, region, parallelism, tls, key]);
}
