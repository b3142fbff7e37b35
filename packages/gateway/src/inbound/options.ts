import { z } from "zod";

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
}

export const listenDefaults: Required<ListenOptions> = { host: "127.0.0.1", port: 8_080 };

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
}

export const requestDefaults: Required<RequestOptions> = {
  maxBodyBytes: 33_554_432,
  maxMessageBytes: 67_108_864,
  defaultTimeoutMs: 10_000,
  maxTimeoutMs: 60_000,
  headerTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
};

export interface CrossSiteOptions {
  /**
   * Origins of other pages that may call, such as `https://app.example`; `*` stands for all.
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

const origin = z
  .string()
  .regex(/^(\*|https?:\/\/[^/\s]+)$/, "expected an origin, such as https://app.example, or *");

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
}) as z.ZodType<KeyOptions>;

export const listenSchema: z.ZodType<ListenOptions> = z.strictObject({
  host: z.string().min(1).optional().describe("Address to bind."),
  port: z
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe("Port for every protocol; 0 takes a free one."),
}) as z.ZodType<ListenOptions>;

const positive = z.int().min(1).optional();

export const requestSchema: z.ZodType<RequestOptions> = z.strictObject({
  maxBodyBytes: positive.describe("Longest body of one request, in bytes."),
  maxMessageBytes: positive.describe("Longest gRPC or Connect message, in bytes."),
  defaultTimeoutMs: positive.describe(
    "Deadline of a call whose caller gives none, in milliseconds.",
  ),
  maxTimeoutMs: positive.describe("Longest deadline, in milliseconds."),
  headerTimeoutMs: positive.describe(
    "How long the headers of a request may take, in milliseconds.",
  ),
  requestTimeoutMs: positive.describe(
    "How long a whole request may take to arrive, in milliseconds.",
  ),
}) as z.ZodType<RequestOptions>;

/** Whether a name can only lead to this machine. */
export function isLoopbackName(name: string): boolean {
  return name === "localhost" || name === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}
