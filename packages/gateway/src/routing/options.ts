import { z } from "zod";

export interface RoutingOptions {
  /**
   * Attempts of one call that may have reached a replica, over all regions. Attempts that never left are free.
   * @default 4
   */
  readonly maxAttempts?: number;
  /**
   * Failures in a row after which a replica gets no calls. A lost connection counts as all of them.
   * @default 3
   */
  readonly maxFailures?: number;
  /**
   * How long a replica is left alone after it was taken out, in milliseconds; twice as long each time the
   * probe fails.
   * @default 250
   */
  readonly initialEjectionMs?: number;
  /**
   * Longest time between two probes of a replica that is out, in milliseconds.
   * @default 30_000
   */
  readonly maxEjectionMs?: number;
  /**
   * How often a replica in rotation is asked for its versions, in milliseconds.
   * @default 5_000
   */
  readonly probeIntervalMs?: number;
  /**
   * How long a probe may take, in milliseconds.
   * @default 2_000
   */
  readonly probeTimeoutMs?: number;
}

export const routingDefaults: Required<RoutingOptions> = {
  maxAttempts: 4,
  maxFailures: 3,
  initialEjectionMs: 250,
  maxEjectionMs: 30_000,
  probeIntervalMs: 5_000,
  probeTimeoutMs: 2_000,
};

const positive = z.int().min(1).optional();

export const routingSchema: z.ZodType<RoutingOptions> = z.strictObject({
  maxAttempts: positive.describe("Attempts of one call that may have reached a replica."),
  maxFailures: positive.describe("Failures in a row after which a replica gets no calls."),
  initialEjectionMs: positive.describe("First time a replica is left alone, in milliseconds."),
  maxEjectionMs: positive.describe("Longest time between two probes, in milliseconds."),
  probeIntervalMs: positive.describe("How often a replica is asked for its versions, in ms."),
  probeTimeoutMs: positive.describe("How long a probe may take, in milliseconds."),
}) as z.ZodType<RoutingOptions>;
