import { z } from "zod";
import { type CapacityOptions, capacitySchema } from "../capacity/options.ts";
import {
  type CrossSiteOptions,
  crossSiteSchema,
  type KeyOptions,
  keySchema,
  type ListenOptions,
  listenSchema,
  type RequestOptions,
  requestSchema,
} from "../inbound/options.ts";
import {
  type DecoderOptions,
  decoderSchema,
  type ModelOptions,
  modelSchema,
  type PictureOptions,
  pictureSchema,
} from "../models/options.ts";
import { type CacheOptions, cacheSchema } from "../pipeline/options.ts";
import { type RolloutOptions, rolloutSchema } from "../rollout/options.ts";
import { type RoutingOptions, routingSchema } from "../routing/options.ts";
import { regionName } from "../setting-schemas.ts";
import { type SharingOptions, sharingSchema } from "../sharing/options.ts";
import { type ChannelOptions, channelSchema } from "../upstream/options.ts";
import { isOpenToOthers } from "./access.ts";
import { type PoolOptions, poolSchema, sharedDeviceFaults } from "./pool-options.ts";

export type { PoolOptions };

/** The configuration of a gateway, the same in YAML and in TypeScript. */
export interface GatewayOptions {
  /**
   * Region of this gateway; calls go to the nearest region. `kubernetes:///region` and `kubernetes:///zone` stand for that
   * of the node that it runs on.
   * @default "local"
   */
  readonly region?: string;
  readonly listen?: ListenOptions;
  readonly crossSite?: CrossSiteOptions;
  /** Models that can be scored; by default the models of the pools, by tensors. */
  readonly models?: readonly ModelOptions[];
  readonly pools: readonly PoolOptions[];
  readonly requests?: RequestOptions;
  readonly pictures?: PictureOptions;
  /** Processes that decode pictures. */
  readonly decoding?: DecoderOptions;
  /** Response cache of models with `cache: true`. */
  readonly cache?: CacheOptions;
  readonly routing?: RoutingOptions;
  /** Other gateways in front of the same replicas. */
  readonly sharing?: SharingOptions;
  /** Free devices of the cluster in Kubernetes that the gateway runs in, for the status. */
  readonly capacity?: CapacityOptions;
  readonly upstream?: ChannelOptions;
  /** Versions that are rolled out by and by, and shadows. */
  readonly rollouts?: RolloutOptions;
  /** API keys. Without keys any caller is accepted, and only loopback is bound. */
  readonly keys?: readonly KeyOptions[];
  /**
   * Accepts keys over plaintext from other machines, if something else encrypts the connection.
   * @default false
   */
  readonly allowPlaintextKeys?: boolean;
  /**
   * Accepts calls without a key from any machine: required to bind anything but loopback without keys.
   * @default false
   */
  readonly allowAnonymous?: boolean;
}

export const gatewaySchema: z.ZodType<GatewayOptions> = z
  .strictObject({
    region: regionName
      .optional()
      .describe(
        "Where this gateway runs; kubernetes:///region or kubernetes:///zone for where its node is.",
      ),
    listen: listenSchema.optional(),
    crossSite: crossSiteSchema.optional().describe("Which web pages may call."),
    models: z.array(modelSchema).min(1).optional().describe("Models that can be scored."),
    pools: z.array(poolSchema).min(1).describe("Replicas that serve each model in a region."),
    requests: requestSchema.optional().describe("Limits for requests."),
    pictures: pictureSchema.optional().describe("Limits for pictures."),
    decoding: decoderSchema.optional().describe("Processes that decode pictures."),
    cache: cacheSchema.optional().describe("Response cache."),
    routing: routingSchema.optional().describe("Load balancing, retries and ejection."),
    rollouts: rolloutSchema.optional().describe("Rollouts of versions, and shadows."),
    sharing: sharingSchema
      .optional()
      .describe("Slots shared with other gateways in front of the same replicas."),
    capacity: capacitySchema
      .optional()
      .describe("Free devices of the Kubernetes cluster that the gateway runs in."),
    upstream: channelSchema.optional().describe("Connections to replicas."),
    keys: z.array(keySchema).optional().describe("Keys of callers."),
    allowPlaintextKeys: z
      .boolean()
      .optional()
      .describe("Accepts keys over plaintext from other machines."),
    allowAnonymous: z
      .boolean()
      .optional()
      .describe("Accepts calls without a key, from any machine."),
  })
  .superRefine((options, context) => {
    for (const { index, message } of sharedDeviceFaults(options.pools)) {
      context.addIssue({ code: "custom", path: ["pools", index, "replicas"], message });
    }
    const host = options.listen?.host ?? "127.0.0.1";
    if (isOpenToOthers(options as GatewayOptions)) {
      context.addIssue({
        code: "custom",
        path: ["listen", "host"],
        message: `${host} accepts calls from other machines; list keys, set allowAnonymous: true to allow calls without a key, or bind 127.0.0.1`,
      });
    }
  }) as z.ZodType<GatewayOptions>;
