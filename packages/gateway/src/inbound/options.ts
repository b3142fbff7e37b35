import { z } from "zod";
import { countLimit, durationMs, memoryBytes, messageBytes } from "../setting-schemas.ts";
import { originMatch } from "./access/origins.ts";

export interface ListenOptions {
  /**
   * Address to bind.
   * @default "127.0.0.1"
   */
  readonly host?: string;
  /**
   * Port for every protocol; 0 takes a free one.
   * @default 8_080
   */
  readonly port?: number;
  /**
   * Connections of one address at the same time (of one /64 network, for IPv6); further ones are closed immediately.
   * @default 256
   */
  readonly maxConnectionsPerAddress?: number;
  /**
   * Connections of all addresses at the same time; further ones are closed immediately. Fewer where the process may not
   * open as many files.
   * @default 16_384
   */
  readonly maxConnections?: number;
  /**
   * Calls at the same time on one HTTP/2 connection.
   * @default 100
   */
  readonly maxStreamsPerConnection?: number;
  /**
   * How long a connection, or a stream of pictures, may be open with nothing under way, in milliseconds.
   * @default 60_000
   */
  readonly idleTimeoutMs?: number;
  /**
   * How long a gateway that stops still takes new connections, in milliseconds, while it reports that it is not ready:
   * load balancers have that long to notice. 0 closes the port and idle connections immediately.
   * @default 0
   */
  readonly drainDelayMs?: number;
  /**
   * Model of calls of TensorFlow Serving's gRPC API that name none, as clients of FPGA containers do not. By default the
   * one of their service route, or the only one there is.
   */
  readonly model?: string;
  /** Certificate to serve TLS with, on the one port. Without it, the port takes plaintext. */
  readonly tls?: TlsOptions;
}

/** PEM files; they are checked every half minute, and reloaded when they have changed. */
export interface TlsOptions {
  /** Certificate, followed by those between it and its root. */
  readonly cert: string;
  readonly key: string;
  /** Who signs the certificates of clients. With it, clients without one are rejected. */
  readonly clientCa?: string;
}

/** All settings of the listener; TLS and the model may be absent. */
export type ListenSettings = Required<Omit<ListenOptions, "tls" | "model">> &
  Pick<ListenOptions, "tls" | "model">;

export const listenDefaults: ListenSettings = {
  host: "127.0.0.1",
  port: 8_080,
  maxConnectionsPerAddress: 256,
  maxConnections: 16_384,
  maxStreamsPerConnection: 100,
  idleTimeoutMs: 60_000,
  drainDelayMs: 0,
};

export interface RequestOptions {
  /**
   * Longest body of one request, in bytes.
   * @default 33_554_432
   */
  readonly maxBodyBytes?: number;
  /**
   * Longest gRPC or Connect message, in bytes.
   * @default 67_108_864
   */
  readonly maxMessageBytes?: number;
  /**
   * Most elements of one gRPC or Connect message: fields, entries of lists and maps, and values. A message
   * within it, such as a picture or a tensor, is eight, whatever its length, and a text one for every 256 bytes more. That many empty ones take a few milliseconds to parse, some ten
   * times as much as a picture of the same length takes; raise it for tensors of more strings in one call.
   * @default 8_192
   */
  readonly maxMessageElements?: number;
  /**
   * Deadline of a call whose caller gives none, in milliseconds.
   * @default 10_000
   */
  readonly defaultTimeoutMs?: number;
  /**
   * Longest deadline, in milliseconds; a longer one is cut to it.
   * @default 60_000
   */
  readonly maxTimeoutMs?: number;
  /**
   * How long the headers of a request may take to arrive, in milliseconds.
   * @default 10_000
   */
  readonly headerTimeoutMs?: number;
  /**
   * How long a whole request may take to arrive, in milliseconds.
   * @default 30_000
   */
  readonly requestTimeoutMs?: number;
  /**
   * Least rate of an upload, after its first five seconds, in bytes per second.
   * @default 8_192
   */
  readonly minUploadBytesPerSecond?: number;
  /**
   * Least rate at which an answer is read, over five seconds, in bytes per second; slower readers are cut. What
   * buffers took for a caller counts as being read for up to 30 s, while less than half of `maxBytesInFlight` is held.
   * @default 8_192
   */
  readonly minDownloadBytesPerSecond?: number;
  /**
   * Bytes of all requests that are being read or worked on, and of answers that are not read yet; what would exceed
   * them is rejected as overload.
   * @default 536_870_912
   */
  readonly maxBytesInFlight?: number;
}

export const requestDefaults: Required<RequestOptions> = {
  maxBodyBytes: 33_554_432,
  maxMessageBytes: 67_108_864,
  maxMessageElements: 8_192,
  defaultTimeoutMs: 10_000,
  maxTimeoutMs: 60_000,
  headerTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  minUploadBytesPerSecond: 8_192,
  minDownloadBytesPerSecond: 8_192,
  maxBytesInFlight: 536_870_912,
};

export interface CrossSiteOptions {
  /**
   * Origins of other pages that may call, such as `https://app.example`, `https://*.example.com` for all its subdomains,
   * `http://localhost:*` for all ports, `capacitor://localhost` or `null`; `*` stands for all.
   * @default []
   */
  readonly origins?: readonly string[];
  /**
   * Names beside localhost by which a gateway on loopback may be called.
   * @default []
   */
  readonly hosts?: readonly string[];
}

export const crossSiteDefaults: Required<CrossSiteOptions> = { origins: [], hosts: [] };

const origin = z.string().refine((entry) => originMatch(entry) !== undefined, {
  error: ({ input }) =>
    `"${String(input).slice(0, 100)}" is not an origin; expected one such as https://app.example, https://*.example.com for all subdomains, or * for all`,
});

export const crossSiteSchema: z.ZodType<CrossSiteOptions> = z.strictObject({
  origins: z.array(origin).optional().describe("Origins of other pages that may call."),
  hosts: z
    .array(z.string().min(1))
    .optional()
    .describe("Names beside localhost by which a gateway on loopback may be called."),
}) as z.ZodType<CrossSiteOptions>;

/** Who may call; the key itself is nowhere but with its owner. */
export interface KeyOptions {
  /** The part of the key that may be logged: letters, digits and dashes. */
  readonly id: string;
  /** SHA-256 of the whole key, in hexadecimal digits. */
  readonly sha256: string;
  /** Models it may use; `*` stands for all. */
  readonly models: readonly string[];
  /**
   * Shows the addresses of replicas in traces (`x-tensorgate-trace: 1`); without it replicas have numbers there.
   * @default false
   */
  readonly seesAddresses?: boolean;
  /** Regions that its calls may be served in; a call may name fewer, never others. Everywhere without it. */
  readonly residency?: readonly string[];
}

export const keySchema: z.ZodType<KeyOptions> = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,64}$/, "expected letters, digits and dashes")
    .describe("The part of the key that may be logged."),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits; tensorgate key new makes them")
    .describe("SHA-256 of the whole key."),
  models: z.array(z.string().min(1)).min(1).describe("Models it may use; * for all."),
  seesAddresses: z.boolean().optional().describe("Shows the addresses of replicas in traces."),
  residency: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe("Regions that its calls may be served in."),
}) as z.ZodType<KeyOptions>;

/** Ten minutes: no balancer takes longer to notice, and a longer stop is a mistake of the unit. */
const maxDrainDelayMs = 600_000;

const tlsSchema = z.strictObject({
  cert: z.string().min(1).describe("PEM file of the certificate and its intermediates."),
  key: z.string().min(1).describe("PEM file of the private key."),
  clientCa: z.string().min(1).optional().describe("PEM file of the CA of callers' certificates."),
});

export const listenSchema: z.ZodType<ListenOptions> = z.strictObject({
  host: z.string().min(1).optional().describe("Address to bind."),
  port: z
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe("Port for every protocol; 0 picks a free one."),
  maxConnectionsPerAddress: countLimit
    .optional()
    .describe("Connections of one address at the same time."),
  maxConnections: countLimit.optional().describe("Connections of all addresses at the same time."),
  maxStreamsPerConnection: countLimit
    .optional()
    .describe("Calls at the same time on one HTTP/2 connection."),
  idleTimeoutMs: durationMs
    .optional()
    .describe("How long a connection may be open with nothing under way, in milliseconds."),
  drainDelayMs: z
    .int()
    .min(0)
    .max(maxDrainDelayMs)
    .optional()
    .describe(
      "How long a gateway that stops still takes new connections, not ready, in milliseconds.",
    ),
  model: z
    .string()
    .min(1)
    .optional()
    .describe("Model of calls of TensorFlow Serving's gRPC API that name none."),
  tls: tlsSchema.optional().describe("Certificate to serve TLS with."),
}) as z.ZodType<ListenOptions>;

export const requestSchema: z.ZodType<RequestOptions> = z.strictObject({
  maxBodyBytes: messageBytes.optional().describe("Longest body of one request, in bytes."),
  maxMessageBytes: messageBytes.optional().describe("Longest gRPC or Connect message, in bytes."),
  maxMessageElements: countLimit
    .optional()
    .describe("Most elements of one gRPC or Connect message."),
  defaultTimeoutMs: durationMs
    .optional()
    .describe("Deadline of a call whose caller gives none, in milliseconds."),
  maxTimeoutMs: durationMs.optional().describe("Longest deadline, in milliseconds."),
  headerTimeoutMs: durationMs
    .optional()
    .describe("How long the headers of a request may take, in milliseconds."),
  requestTimeoutMs: durationMs
    .optional()
    .describe("How long a whole request may take to arrive, in milliseconds."),
  minUploadBytesPerSecond: memoryBytes
    .optional()
    .describe("Least rate of an upload, in bytes per second."),
  minDownloadBytesPerSecond: memoryBytes
    .optional()
    .describe("Least rate at which an answer is read, in bytes per second."),
  maxBytesInFlight: memoryBytes
    .optional()
    .describe("Bytes of all requests under way and of unread answers."),
}) as z.ZodType<RequestOptions>;

/** Whether a name can only lead to this machine. */
export function isLoopbackName(name: string): boolean {
  return name === "localhost" || name === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}
