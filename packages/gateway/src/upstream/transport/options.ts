import { z } from "zod";
import { durationMs, messageBytes } from "../../setting-schemas.ts";

export interface ChannelOptions {
  /**
   * Time limit for connecting to a replica, in milliseconds.
   * @default 1_000
   */
  readonly connectTimeoutMs?: number;
  /**
   * Maximum size of a response, in bytes, and of its tensors in memory.
   * @default 67_108_864
   */
  readonly maxMessageBytes?: number;
  /**
   * Maximum elements of a response: strings, outputs, fields, and numbers that are not packed. Packed numbers and raw
   * bytes are not counted.
   * @default 131_072
   */
  readonly maxReplyElements?: number;
  /**
   * HTTP/2 window offered per stream and per connection, in bytes.
   * @default 4_194_304
   */
  readonly windowBytes?: number;
  /**
   * How long an idle connection is reused, in milliseconds: load balancers drop idle connections without closing them.
   * @default 120_000
   */
  readonly idleTimeoutMs?: number;
  /**
   * Interval at which a `dns:///name:port` is resolved again, in milliseconds. It is resolved earlier, though at most once
   * a second, when one of its replicas was lost.
   * @default 30_000
   */
  readonly resolveIntervalMs?: number;
  /**
   * HTTP/2 to replicas: the gateway's own, or Node's `node:http2`, which costs more processor time.
   * @default "own"
   */
  readonly transport?: "own" | "node";
}

export const channelDefaults: Required<ChannelOptions> = {
  connectTimeoutMs: 1_000,
  maxMessageBytes: 67_108_864,
  maxReplyElements: 131_072,
  windowBytes: 4_194_304,
  idleTimeoutMs: 120_000,
  resolveIntervalMs: 30_000,
  transport: "own",
};

export const channelSchema: z.ZodType<ChannelOptions> = z.strictObject({
  connectTimeoutMs: durationMs
    .optional()
    .describe("Time limit for connecting to a replica, in milliseconds."),
  maxMessageBytes: messageBytes
    .optional()
    .describe("Maximum size of a replica's response, in bytes."),
  maxReplyElements: z
    .int()
    .min(1)
    .max(16_777_216)
    .optional()
    .describe("Maximum strings, outputs and fields of a replica's response."),
  windowBytes: z
    .int()
    .min(65_535)
    .max(2_147_483_647)
    .optional()
    .describe("HTTP/2 window offered to replicas, in bytes."),
  idleTimeoutMs: durationMs
    .optional()
    .describe("How long an idle connection is reused, in milliseconds."),
  resolveIntervalMs: durationMs
    .min(1_000)
    .optional()
    .describe("Interval at which a dns:/// name is resolved again, in milliseconds."),
  transport: z
    .enum(["own", "node"])
    .optional()
    .describe("HTTP/2 to replicas: the gateway's own, or that of Node."),
}) as z.ZodType<ChannelOptions>;

/**
 * TLS to replicas. PEM files are read again at every new connection; a relative path starts from the folder of the
 * configuration, and without one from where the process was started.
 */
export interface ReplicaTlsOptions {
  /** CA of the replicas' certificates; the system's CAs by default. */
  readonly ca?: string;
  /** The gateway's own certificate, for mutual TLS. */
  readonly cert?: string;
  readonly key?: string;
  /** Expected name of the certificate; the host of the address by default. */
  readonly serverName?: string;
}

/** The gateway's key at its replicas: from the environment or a file, or from the configuration if that is allowed. */
export interface UpstreamKeyOptions {
  /** Name of an environment variable. */
  readonly env?: string;
  /** A file that is read again at every new connection; a relative path is resolved like those of `tls`. */
  readonly file?: string;
  /** The key itself; requires `allowInConfiguration`. */
  readonly value?: string;
  /**
   * Allows the key in the configuration.
   * @default false
   */
  readonly allowInConfiguration?: boolean;
  /**
   * Header that carries the key unchanged; by default `authorization: Bearer <key>`, and in the dialect
   * `azure-fpga-preview` `authorization: <key>`.
   */
  readonly header?: string;
  /**
   * Allows sending the key over plaintext to other machines.
   * @default false
   */
  readonly allowPlaintext?: boolean;
}

const file = z.string().min(1).optional();

export const replicaTlsSchema: z.ZodType<ReplicaTlsOptions> = z
  .strictObject({
    ca: file.describe("PEM file of the CA of the replicas' certificates."),
    cert: file.describe("PEM file of the gateway's own certificate."),
    key: file.describe("PEM file of its private key."),
    serverName: file.describe("Expected name of the certificate."),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
    message: "set both cert and key",
  }) as z.ZodType<ReplicaTlsOptions>;

/** Headers that the gateway or HTTP/2 sets. */
const isReserved =
  /^(te|host|connection|keep-alive|upgrade|trailer|transfer-encoding|content-.*|grpc-.*|proxy-.*|x-tensorgate-.*|traceparent|x-request-id)$/;

export const upstreamKeySchema: z.ZodType<UpstreamKeyOptions> = z
  .strictObject({
    env: file.describe("Environment variable with the key."),
    file: file.describe("File with the key."),
    value: file.describe("The key itself; requires allowInConfiguration."),
    allowInConfiguration: z.boolean().optional().describe("Allows the key in the configuration."),
    header: z
      .string()
      .regex(/^[a-z0-9-]+$/, "expected a header name in lower case")
      .refine((name) => !isReserved.test(name), "the gateway sets that header itself")
      .optional()
      .describe("Header that carries the key unchanged."),
    allowPlaintext: z.boolean().optional().describe("Allows sending the key over plaintext."),
  })
  .refine(({ env, file, value }) => [env, file, value].filter(Boolean).length === 1, {
    message: "set exactly one of env, file and value",
  })
  .refine(({ value, allowInConfiguration }) => value === undefined || allowInConfiguration, {
    path: ["value"],
    message: "the key is in the configuration; use env or file, or set allowInConfiguration: true",
  }) as z.ZodType<UpstreamKeyOptions>;
