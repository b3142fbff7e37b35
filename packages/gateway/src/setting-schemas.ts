import { maxTimerDelayMs } from "@tensorgate/core";
import { z } from "zod";
import { nodeLabelOf, nodeRegions } from "./node-region.ts";

/** Most that a counted limit can be set to: what is more limits nothing, and overflows somewhere. */
const maxCount = 1_000_000;
/** Longest message or buffer that can be allowed, in bytes: 2 GiB less one, what HTTP/2 and a buffer take. */
const maxMessageBytes = 2_147_483_647;
/** Most memory that a limit over many requests can allow, in bytes: 1 TiB. */
const maxMemoryBytes = 1_099_511_627_776;

/** A duration in milliseconds. A timer of JavaScript fires immediately beyond the upper bound, which is 24 days. */
export const durationMs: z.ZodInt = z.int().min(1).max(maxTimerDelayMs);

/** How many of something there may be. */
export const countLimit: z.ZodInt = z.int().min(1).max(maxCount);

/** Bytes of one message. */
export const messageBytes: z.ZodInt = z.int().min(1).max(maxMessageBytes);

/** Bytes of memory for many messages. */
export const memoryBytes: z.ZodInt = z.int().min(1).max(maxMemoryBytes);

/** Highest version of a model: they are 64-bit integers on the wire. */
const maxVersion = 2n ** 63n - 1n;

/** The version of a model, in digits. */
export const versionNumber: z.ZodString = z
  .string()
  .regex(/^\d{1,19}$/, "expected a version, a whole number")
  .refine((text) => BigInt(text) <= maxVersion, "versions go up to 2^63 - 1");

/** Name of a region, or one of the forms that stand for the region or zone of a node. */
export const regionName: z.ZodType<string> = z
  .string()
  .min(1)
  .refine(
    (text) => !text.startsWith("kubernetes:") || nodeLabelOf(text) !== undefined,
    `expected a name, ${Object.keys(nodeRegions).join(" or ")}`,
  );
