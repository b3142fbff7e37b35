import { SettingError } from "@tensorgate/core";
import type { GatewayOptions, PoolOptions } from "./config/gateway-options.ts";
import { listenDefaults, requestDefaults } from "./inbound/options.ts";
import { decoderDefaults } from "./models/options.ts";
import { cacheDefaults } from "./pipeline/options.ts";
import type { SharingOptions } from "./sharing/options.ts";
import { dialectNamed } from "./upstream/dialects/dialects.ts";

/** One of several processes that serve one configuration on one port. */
export interface WorkerPlace {
  /** From 1. */
  readonly number: number;
  readonly count: number;
  /** How the workers share the slots of replicas whose number is configured. */
  readonly sharing?: SharingOptions;
}

/**
 * Returns the part of a configuration that one of several workers has: connections, bytes, decoders and cache are divided
 * among them. Where it is configured how many calls a replica processes concurrently, the workers share its slots, so that
 * these limits hold for all together, too.
 *
 * @throws SettingError for devices that hold one model at a time, and for gateways that share slots already
 */
export function workerShare(options: GatewayOptions, place: WorkerPlace): GatewayOptions {
  const { number, count } = place;
  if (count === 1) return options;
  const { listen, requests, decoding, cache, pools } = options;
  const { capacity, ...ofAll } = options;
  const exclusive = pools.findIndex((pool) => pool.exclusive);
  if (exclusive >= 0) {
    const why = "one process swaps the models of a device; serve it with 1 worker";
    throw new SettingError(`pools[${exclusive}].exclusive`, why);
  }
  if (options.sharing) {
    const why = "workers share with each other only; start more gateways with 1 worker each";
    throw new SettingError("sharing", why);
  }
  const shareOf = (whole: number) =>
    Math.max(1, Math.floor(whole / count) + Number(number <= whole % count));
  const { maxConnections = listenDefaults.maxConnections } = listen ?? {};
  const { maxBytesInFlight = requestDefaults.maxBytesInFlight } = requests ?? {};
  const { processes = decoderDefaults.processes } = decoding ?? {};
  const { maxWaiting = decoderDefaults.maxWaiting } = decoding ?? {};
  const { maxBytes = cacheDefaults.maxBytes } = cache ?? {};
  return {
    ...ofAll,
    // One of them asks the API server, and the others have it from that one.
    ...(capacity && number === 1 && { capacity }),
    listen: { ...listen, maxConnections: shareOf(maxConnections) },
    requests: { ...requests, maxBytesInFlight: shareOf(maxBytesInFlight) },
    decoding: { ...decoding, processes: shareOf(processes), maxWaiting: shareOf(maxWaiting) },
    cache: { ...cache, maxBytes: shareOf(maxBytes) },
    ...(place.sharing && pools.some(isLimited) && { sharing: place.sharing }),
  };
}

/** Whether it is configured how many calls a replica processes concurrently, rather than measured. */
function isLimited({ parallelism, gateway, dialect }: PoolOptions): boolean {
  if (gateway !== undefined) return false;
  const isDevice = dialect !== undefined && dialectNamed(dialect).isDevice;
  return parallelism === undefined ? isDevice : parallelism !== "auto";
}
