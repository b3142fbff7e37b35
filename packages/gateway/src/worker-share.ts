import { SettingError } from "@tensorgate/core";
import type { GatewayOptions, PoolOptions } from "./config/gateway-options.ts";
import { listenDefaults, requestDefaults } from "./inbound/options.ts";
import { decoderDefaults } from "./models/options.ts";
import { cacheDefaults } from "./pipeline/options.ts";
import { dialectNamed } from "./upstream/dialects/dialects.ts";

/** One of several processes that serve one configuration on one port. */
export interface WorkerPlace {
  /** From 1. */
  readonly number: number;
  readonly count: number;
}

/**
 * Returns the part of a configuration that one of several workers has: connections, bytes, decoders, cache and the calls
 * that each replica processes concurrently are divided among them, so that the limits of the file hold for all together.
 *
 * @throws SettingError if a replica processes fewer calls at a time than there are workers
 */
export function workerShare(options: GatewayOptions, place: WorkerPlace): GatewayOptions {
  const { number, count } = place;
  if (count === 1) return options;
  const { listen, requests, decoding, cache, pools } = options;
  const shareOf = (whole: number) => Math.floor(whole / count) + Number(number <= whole % count);
  const atLeastOne = (whole: number) => Math.max(1, shareOf(whole));
  const { maxConnections = listenDefaults.maxConnections } = listen ?? {};
  const { maxBytesInFlight = requestDefaults.maxBytesInFlight } = requests ?? {};
  const { processes = decoderDefaults.processes } = decoding ?? {};
  const { maxWaiting = decoderDefaults.maxWaiting } = decoding ?? {};
  const { maxBytes = cacheDefaults.maxBytes } = cache ?? {};
  return {
    ...options,
    listen: { ...listen, maxConnections: atLeastOne(maxConnections) },
    requests: { ...requests, maxBytesInFlight: atLeastOne(maxBytesInFlight) },
    decoding: {
      ...decoding,
      processes: atLeastOne(processes),
      maxWaiting: atLeastOne(maxWaiting),
    },
    cache: { ...cache, maxBytes: atLeastOne(maxBytes) },
    pools: pools.map((pool, index) => {
      const parallelism = parallelismOf(pool);
      if (parallelism === "auto") return pool;
      if (parallelism < count) {
        throw new SettingError(
          `pools[${index}].parallelism`,
          `each replica of "${pool.model}" in ${pool.region} processes ${parallelism} at a time, which ${count} workers cannot divide; start at most ${parallelism}`,
        );
      }
      return { ...pool, parallelism: shareOf(parallelism) };
    }),
  };
}

/** Calls that each replica of a pool processes concurrently. */
function parallelismOf({ parallelism, gateway, dialect, exclusive }: PoolOptions): number | "auto" {
  if (gateway !== undefined) return "auto";
  const isDevice = exclusive || (dialect !== undefined && dialectNamed(dialect).isDevice);
  return parallelism ?? (isDevice ? 1 : "auto");
}
