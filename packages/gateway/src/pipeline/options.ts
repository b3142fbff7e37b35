import { z } from "zod";

export interface CacheOptions {
  /**
   * Answers that are kept, of all models with `cache: true`, in bytes.
   * @default 67_108_864
   */
  readonly maxBytes?: number;
  /**
   * Longest answer that is kept, in bytes.
   * @default 4_194_304
   */
  readonly maxEntryBytes?: number;
  /**
   * How long an answer is good for, in milliseconds.
   * @default 3_600_000
   */
  readonly ttlMs?: number;
}

export const cacheDefaults: Required<CacheOptions> = {
  maxBytes: 67_108_864,
  maxEntryBytes: 4_194_304,
  ttlMs: 3_600_000,
};

const positive = z.int().min(1).optional();

export const cacheSchema: z.ZodType<CacheOptions> = z.strictObject({
  maxBytes: positive.describe("Answers that are kept, in bytes."),
  maxEntryBytes: positive.describe("Longest answer that is kept, in bytes."),
  ttlMs: positive.describe("How long an answer is good for, in milliseconds."),
}) as z.ZodType<CacheOptions>;
