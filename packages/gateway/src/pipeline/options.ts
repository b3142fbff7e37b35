import { z } from "zod";
import { durationMs, memoryBytes, messageBytes } from "../setting-schemas.ts";

export interface CacheOptions {
  /**
   * Maximum size of the cached responses of all models with `cache: true`, in bytes.
   * @default 67_108_864
   */
  readonly maxBytes?: number;
  /**
   * Maximum size of a cached response, in bytes.
   * @default 4_194_304
   */
  readonly maxEntryBytes?: number;
  /**
   * Time to live of a cached response, in milliseconds.
   * @default 3_600_000
   */
  readonly ttlMs?: number;
}

export const cacheDefaults: Required<CacheOptions> = {
  maxBytes: 67_108_864,
  maxEntryBytes: 4_194_304,
  ttlMs: 3_600_000,
};

export const cacheSchema: z.ZodType<CacheOptions> = z.strictObject({
  maxBytes: memoryBytes.optional().describe("Maximum size of the response cache, in bytes."),
  maxEntryBytes: messageBytes.optional().describe("Maximum size of a cached response, in bytes."),
  ttlMs: durationMs.optional().describe("Time to live of a cached response, in milliseconds."),
}) as z.ZodType<CacheOptions>;
