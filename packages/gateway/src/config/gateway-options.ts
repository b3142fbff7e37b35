import { z } from "zod";
import {
  type CrossSiteOptions,
  crossSiteSchema,
  isLoopbackName,
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
import { type RoutingOptions, routingSchema } from "../routing/options.ts";
import {
  type ChannelOptions,
  channelSchema,
  type Dialect,
  dialects,
  type ReplicaTlsOptions,
  replicaTlsSchema,
  type UpstreamKeyOptions,
  upstreamKeySchema,
} from "../upstream/options.ts";

export interface PoolOptions {
  /** Name of a model under `models`. */
  readonly model: string;
  readonly region: string;
  /**
   * How the replicas want to be spoken to.
   * @default "tensorflow-serving"
   */
  readonly dialect?: Dialect;
  /** Name of the service, where a cluster finds the container by it: it becomes a header of every call. */
  readonly service?: string;
  /** Sends the pictures of a call together, so many in one Predict; one by one without it. */
  readonly batch?: { readonly maxPictures: number };
  /** `host:port` of each; `dns:///name:port` stands for a replica at every address of the name. */
  readonly replicas: readonly string[];
  /** TLS to the replicas; `{}` trusts whom the system trusts. Without it they are spoken to in plaintext. */
  readonly tls?: ReplicaTlsOptions;
  /** The gateway's own key at the replicas. */
  readonly key?: UpstreamKeyOptions;
}

/** All that a gateway can be told: the same from YAML and from TypeScript. */
export interface GatewayOptions {
  /**
   * Where this gateway runs; calls go to the nearest region.
   * @default "local"
   */
  readonly region?: string;
  readonly listen?: ListenOptions;
  readonly crossSite?: CrossSiteOptions;
  /** What can be scored. Without it the models of the pools are, by tensors, as they tell of themselves. */
  readonly models?: readonly ModelOptions[];
  readonly pools: readonly PoolOptions[];
  readonly requests?: RequestOptions;
  readonly pictures?: PictureOptions;
  /** The processes that decode what models take as pixels. */
  readonly decoding?: DecoderOptions;
  /** Answers that are kept, of models that say `cache: true`. */
  readonly cache?: CacheOptions;
  readonly routing?: RoutingOptions;
  readonly upstream?: ChannelOptions;
  /** Who may call. Without keys everybody may, and only loopback is bound. */
  readonly keys?: readonly KeyOptions[];
  /**
   * Takes keys over plaintext from other machines, where something else encrypts.
   * @default false
   */
  readonly allowPlaintextKeys?: boolean;
  /**
   * Lets everybody call, from anywhere: needed to bind anything but loopback.
   * @default false
   */
  readonly allowAnonymous?: boolean;
}

const address = z
  .string()
  .regex(
    /^(dns:\/\/\/)?(\[[0-9a-fA-F:.]+\]|[^:/\s[\]]+):\d{1,5}$/,
    "expected host:port, such as 10.0.0.4:8500, or dns:///name:port",
  );

/** The host of an address, an IPv6 address without its brackets. */
const hostOf = (address: string) =>
  address
    .replace(/^dns:\/\/\//, "")
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "");

const poolSchema = z.strictObject({
  model: z.string().min(1).describe("Name of a model under `models`."),
  region: z.string().min(1).describe("Where the replicas are."),
  dialect: z.enum(dialects).optional().describe("How the replicas want to be spoken to."),
  service: z
    .string()
    .regex(/^[\w.-]{1,253}$/, "expected the name of a service: letters, digits, dots and dashes")
    .optional()
    .describe("Service by which a cluster finds the container."),
  batch: z
    .strictObject({ maxPictures: z.int().min(1).max(1_024).describe("Pictures in one Predict.") })
    .optional()
    .describe("Sends the pictures of a call together."),
  replicas: z.array(address).min(1).describe("host:port of each replica, or dns:///name:port."),
  tls: replicaTlsSchema.optional().describe("TLS to the replicas."),
  key: upstreamKeySchema.optional().describe("The gateway's own key at the replicas."),
});

export const gatewaySchema: z.ZodType<GatewayOptions> = z
  .strictObject({
    region: z.string().min(1).optional().describe("Where this gateway runs."),
    listen: listenSchema.optional(),
    crossSite: crossSiteSchema.optional().describe("Which pages in browsers may call."),
    models: z.array(modelSchema).min(1).optional().describe("What can be scored."),
    pools: z.array(poolSchema).min(1).describe("Where it is scored."),
    requests: requestSchema.optional().describe("Limits of what callers send."),
    pictures: pictureSchema.optional().describe("Limits of pictures."),
    decoding: decoderSchema.optional().describe("The processes that decode pictures."),
    cache: cacheSchema.optional().describe("Answers that are kept."),
    routing: routingSchema.optional().describe("How replicas are chosen and left."),
    upstream: channelSchema.optional().describe("Connections to replicas."),
    keys: z.array(keySchema).optional().describe("Who may call."),
    allowPlaintextKeys: z
      .boolean()
      .optional()
      .describe("Takes keys over plaintext from other machines."),
    allowAnonymous: z.boolean().optional().describe("Lets everybody call, from anywhere."),
  })
  .superRefine((options, context) => {
    const names = (options.models ?? []).map(({ name }) => name);
    names.forEach((name, index) => {
      if (names.indexOf(name) === index) return;
      context.addIssue({
        code: "custom",
        path: ["models", index, "name"],
        message: `"${name}" is listed twice`,
      });
    });
    options.pools.forEach(({ model }, index) => {
      if (!options.models || names.includes(model)) return;
      context.addIssue({
        code: "custom",
        path: ["pools", index, "model"],
        message: `there is no model "${model}"; models: ${names.join(", ")}. An entry \`- name: ${model}\` is enough to score it by tensors`,
      });
    });
    options.pools.forEach(({ service, dialect }, index) => {
      if (service === undefined || dialect?.startsWith("azure-fpga")) return;
      context.addIssue({
        code: "custom",
        path: ["pools", index, "service"],
        message: "only the dialects azure-fpga and azure-fpga-preview have services",
      });
    });
    options.pools.forEach(({ tls, key, replicas }, index) => {
      const open = replicas.find((each) => !isLoopbackName(hostOf(each)));
      if (!key || key.allowPlaintext || tls || open === undefined) return;
      context.addIssue({
        code: "custom",
        path: ["pools", index, "key"],
        message: `the key would go to ${open} in plaintext: set tls, or allowPlaintext: true where something else encrypts`,
      });
    });
    const ids = (options.keys ?? []).map(({ id }) => id);
    ids.forEach((id, index) => {
      if (ids.indexOf(id) === index) return;
      context.addIssue({
        code: "custom",
        path: ["keys", index, "id"],
        message: `"${id}" is listed twice`,
      });
    });
    const host = options.listen?.host ?? "127.0.0.1";
    const isClosed = (options.keys ?? []).length > 0 || options.listen?.tls?.clientCa !== undefined;
    if (!isLoopbackName(host) && !isClosed && options.allowAnonymous !== true) {
      context.addIssue({
        code: "custom",
        path: ["listen", "host"],
        message: `${host} is open to others: list keys, set allowAnonymous: true if everybody may call, or bind 127.0.0.1`,
      });
    }
  }) as z.ZodType<GatewayOptions>;
