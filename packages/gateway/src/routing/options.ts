import { maxTimerDelayMs } from "@tensorgate/core";
import { z } from "zod";
import { countLimit, durationMs } from "../setting-schemas.ts";

export interface RoutingOptions {
  /**
   * Attempts of one call that may have reached a replica, over all regions. Attempts that never left are free.
   * @default 4
   */
  readonly maxAttempts?: number;
  /**
   * Failures in a row after which a replica gets no calls.
   * @default 3
   */
  readonly maxFailures?: number;
  /**
   * How long a replica is left alone after it was taken out, in milliseconds; twice as long each time in a row.
   * @default 250
   */
  readonly initialEjectionMs?: number;
  /**
   * Longest time between two probes of a replica that is out, in milliseconds.
   * @default 30_000
   */
  readonly maxEjectionMs?: number;
  /**
   * How long a replica that came back gets one call at a time only, in milliseconds.
   * @default 1_000
   */
  readonly returningMs?: number;
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
  /**
   * Least time that an attempt is given before its replica is probed and another one may try, in milliseconds. It is
   * given eight times what a call usually takes there, and half as long again as the slowest of a thousand.
   * @default 40
   */
  readonly minTryTimeoutMs?: number;
  /**
   * Calls that may wait for a replica, in each pool.
   * @default 1_000
   */
  readonly maxWaiting?: number;
  /**
   * A queue that is not once shorter than this within 100 ms, and grows, is too long, in milliseconds.
   * @default 5
   */
  readonly codelTargetMs?: number;
  /**
   * Further attempts after failures, as a share of all calls; three are always allowed.
   * @default 0.1
   */
  readonly retryShare?: number;
  /**
   * Second attempts at slow calls, as a share of all calls, for models that say `hedge`.
   * @default 0.05
   */
  readonly hedgeShare?: number;
  /**
   * Times calls so that each reaches a replica when the one before it ends. Only right where nobody else sends to the
   * same replicas; the default is to do so unless some pool has a `gateway`.
   */
  readonly pacing?: boolean;
  /** By region, what the way there and back takes before it is measured, in milliseconds. */
  readonly roundTripsMs?: Readonly<Record<string, number>>;
}

export const routingDefaults: Required<Omit<RoutingOptions, "pacing" | "roundTripsMs">> = {
  maxAttempts: 4,
  maxFailures: 3,
  initialEjectionMs: 250,
  maxEjectionMs: 30_000,
  returningMs: 1_000,
  probeIntervalMs: 5_000,
  probeTimeoutMs: 2_000,
  minTryTimeoutMs: 40,
  maxWaiting: 1_000,
  codelTargetMs: 5,
  retryShare: 0.1,
  hedgeShare: 0.05,
};

const share = z.number().min(0).max(1).optional();

export const routingSchema: z.ZodType<RoutingOptions> = z.strictObject({
  maxAttempts: countLimit
    .optional()
    .describe("Maximum attempts of one call that may have reached a replica."),
  maxFailures: countLimit
    .optional()
    .describe("Consecutive failures after which a replica is ejected."),
  initialEjectionMs: durationMs
    .optional()
    .describe("Duration of the first ejection, in milliseconds."),
  maxEjectionMs: durationMs
    .optional()
    .describe("Maximum time between two probes, in milliseconds."),
  returningMs: durationMs
    .optional()
    .describe("How long a recovering replica gets one call at a time, in milliseconds."),
  probeIntervalMs: durationMs
    .optional()
    .describe("Interval of probes of a ready replica, in milliseconds."),
  probeTimeoutMs: durationMs.optional().describe("Time limit of a probe, in milliseconds."),
  minTryTimeoutMs: durationMs
    .optional()
    .describe("Minimum time before an attempt is considered slow, in milliseconds."),
  maxWaiting: countLimit.optional().describe("Maximum calls waiting for a replica, per pool."),
  codelTargetMs: durationMs
    .optional()
    .describe("Queueing delay above which a pool is overloaded, in milliseconds."),
  retryShare: share.describe("Retry budget, as a share of all calls."),
  hedgeShare: share.describe("Hedging budget, as a share of all calls."),
  pacing: z.boolean().optional().describe("Paces calls to arrive when the previous one ends."),
  roundTripsMs: z
    .record(z.string(), z.number().min(0).max(maxTimerDelayMs))
    .optional()
    .describe("Initial round trip time to each region, in milliseconds."),
}) as z.ZodType<RoutingOptions>;
