import { z } from "zod";

export interface ChannelOptions {
  /**
   * How long a connection may take to be made, in milliseconds.
   * @default 1_000
   */
  readonly connectTimeoutMs?: number;
  /**
   * Longest reply that is accepted, in bytes.
   * @default 67_108_864
   */
  readonly maxMessageBytes?: number;
  /**
   * HTTP/2 window that we offer per stream and per connection, in bytes.
   * @default 4_194_304
   */
  readonly windowBytes?: number;
}

export const channelDefaults: Required<ChannelOptions> = {
  connectTimeoutMs: 1_000,
  maxMessageBytes: 67_108_864,
  windowBytes: 4_194_304,
};

export const channelSchema: z.ZodType<ChannelOptions> = z.strictObject({
  connectTimeoutMs: z
    .int()
    .min(1)
    .optional()
    .describe("How long a connection to a replica may take to be made, in milliseconds."),
  maxMessageBytes: z
    .int()
    .min(1)
    .optional()
    .describe("Longest reply of a replica that is accepted, in bytes."),
  windowBytes: z
    .int()
    .min(65_535)
    .max(2_147_483_647)
    .optional()
    .describe("HTTP/2 window offered to replicas, in bytes."),
}) as z.ZodType<ChannelOptions>;

/** How a replica wants to be spoken to. */
export const dialects = ["tensorflow-serving"] as const;
export type DialectName = (typeof dialects)[number];
