import { z } from "zod";
import { isLoopbackName } from "../inbound/options.ts";
import { nodeLabelOf } from "../node-region.ts";
import { regionName } from "../setting-schemas.ts";
import {
  dialectNamed,
  dialects,
  dialectsWith,
  type ReplicaPoolOptions,
  replicaTlsSchema,
  upstreamKeySchema,
} from "../upstream/options.ts";

export interface PoolOptions extends ReplicaPoolOptions {
  /** Sends several pictures of a call in one Predict; one by one by default. */
  readonly batch?: { readonly maxPictures: number };
}

const host = String.raw`(\[[0-9a-fA-F:.]+\]|[^:/\s[\]@?#]+)`;

const address = z
  .string()
  .regex(
    new RegExp(
      String.raw`^((dns:///)?${host}|kubernetes:///[a-z0-9-]{1,63}\.[a-z0-9-]{1,63}):\d{1,5}$`,
    ),
    "expected host:port such as 10.0.0.4:8500, dns:///name:port, or kubernetes:///service.namespace:port",
  );

const gatewayUrl = z
  .string()
  .regex(
    new RegExp(String.raw`^https?://${host}(:\d{1,5})?/?$`),
    "expected a URL without a path, such as https://tensorgate.eastus.internal:8080",
  )
  .refine(URL.canParse, "not a valid URL");

/** Returns the host of an address or a URL, an IPv6 address without its brackets. */
const hostOf = (place: string) =>
  place
    .replace(/^[a-z]+:\/\/\/?/, "")
    .replace(/\/$/, "")
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "");

export const poolSchema: z.ZodType<PoolOptions> = z
  .strictObject({
    model: z.string().min(1).describe("Name of a model under `models`."),
    region: regionName.describe(
      "Region of the replicas; kubernetes:///region or kubernetes:///zone for that of each one's node.",
    ),
    dialect: z.enum(dialects).optional().describe("Dialect of the replicas."),
    service: z
      .string()
      .regex(
        /^[\w.-]{1,253}$/,
        "expected a service name of letters, digits, dots, dashes and underscores",
      )
      .optional()
      .describe("Service name by which a cluster routes to the container."),
    batch: z
      .strictObject({
        maxPictures: z.int().min(1).max(1_024).describe("Maximum pictures in one Predict."),
      })
      .optional()
      .describe("Sends several pictures of a call in one Predict."),
    replicas: z
      .array(address)
      .min(1)
      .optional()
      .describe(
        "host:port of each replica, dns:///name:port, or kubernetes:///service.namespace:port; or give `gateway`.",
      ),
    gateway: gatewayUrl.optional().describe("URL of the gateway of that region."),
    parallelism: z
      .union([z.int().min(1).max(1_024), z.literal("auto")])
      .optional()
      .describe("Calls that each replica processes concurrently; auto measures it."),
    exclusive: z
      .boolean()
      .optional()
      .describe("Whether each replica is a device that holds one model at a time."),
    tls: replicaTlsSchema.optional().describe("TLS to the replicas."),
    key: upstreamKeySchema.optional().describe("The gateway's own key at the replicas."),
  })
  .superRefine((pool, context) => {
    for (const { at, message } of faultsOf(pool as PoolOptions)) {
      context.addIssue({ code: "custom", path: at ? [at] : [], message });
    }
  }) as z.ZodType<PoolOptions>;

interface PoolFault {
  /** Setting of the pool; the pool itself by default. */
  readonly at?: keyof PoolOptions;
  readonly message: string;
}

/** Finds settings that are valid on their own, but not together. */
function* faultsOf(pool: PoolOptions): Iterable<PoolFault> {
  const { replicas, gateway, service, dialect, tls, key } = pool;
  if ((replicas === undefined) === (gateway === undefined)) {
    yield { message: "set exactly one of replicas and gateway" };
  }
  if (gateway !== undefined) yield* gatewayFaults(gateway, pool);
  if (pool.exclusive) yield* exclusiveFaults(pool);
  if (service !== undefined && !dialectNamed(dialect).hasServices) {
    const names = dialectsWith(({ hasServices }) => hasServices).join(" or ");
    yield { at: "service", message: `service requires the dialect ${names}` };
  }
  const isSecret = tls !== undefined || gateway?.startsWith("https:");
  const places = [...(replicas ?? []), ...(gateway === undefined ? [] : [gateway])];
  const open = places.find((each) => !isLoopbackName(hostOf(each)));
  if (key && !key.allowPlaintext && !isSecret && open !== undefined) {
    const how = gateway === undefined ? "set tls" : "use https";
    yield {
      at: "key",
      message: `the key would be sent to ${open} in plaintext; ${how}, or set allowPlaintext: true if something else encrypts the connection`,
    };
  }
}

function* exclusiveFaults({ gateway, dialect }: PoolOptions): Iterable<PoolFault> {
  const at = "exclusive";
  if (gateway !== undefined) {
    yield {
      at,
      message: "a pool with gateway cannot be exclusive; configure the devices at that gateway",
    };
  }
  if (!dialectNamed(dialect).canReload) {
    const names = dialectsWith(({ canReload }) => canReload).join(" or ");
    const message = `replicas of the dialect ${dialect} cannot be made to load another model; exclusive requires the dialect ${names}`;
    yield { at, message };
  }
}

function* gatewayFaults(
  gateway: string,
  { region, dialect, tls }: PoolOptions,
): Iterable<PoolFault> {
  if (dialect !== undefined) {
    yield {
      at: "dialect",
      message: "a pool with gateway has no dialect; configure it at that gateway",
    };
  }
  if (tls && gateway.startsWith("http:")) {
    yield { at: "tls", message: "tls requires a gateway URL with https" };
  }
  if (nodeLabelOf(region) !== undefined) {
    yield { at: "region", message: `name the region of the gateway; ${region} is for replicas` };
  }
  // It is sent in a header that holds a list.
  if (!/^[\x21-\x2b\x2d-\x7e]+$/.test(region)) {
    yield {
      at: "region",
      message: "the region of a gateway must be printable ASCII without spaces and commas",
    };
  }
}

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
