import { maxTimerDelayMs } from "@tensorgate/core";
import { z } from "zod";
import { countLimit, durationMs } from "../setting-schemas.ts";

export interface RoutingOptions {
  /**
   * Attempts of one call that may have reached a replica, over all regions. Unprocessed attempts do not count.
   * @default 4
   */
  readonly maxAttempts?: number;
  /**
   * Failures in a row after which a replica is ejected.
   * @default 3
   */
  readonly maxFailures?: number;
  /**
   * Duration of the first ejection of a replica, in milliseconds; twice as long each time in a row.
   * @default 250
   */
  readonly initialEjectionMs?: number;
  /**
   * Longest time between two probes of an ejected replica, in milliseconds.
   * @default 30_000
   */
  readonly maxEjectionMs?: number;
  /**
   * How long a readmitted replica is half-open, with one call at a time, in milliseconds.
   * @default 1_000
   */
  readonly halfOpenMs?: number;
  /**
   * Interval of probes of a replica in rotation, in milliseconds.
   * @default 5_000
   */
  readonly probeIntervalMs?: number;
  /**
   * Time limit of a probe, in milliseconds.
   * @default 2_000
   */
  readonly probeTimeoutMs?: number;
  /**
   * Minimum time before the replica of an attempt is probed and another one may be tried, in milliseconds. Otherwise it
   * is eight times the median service time, or one and a half times the latency of one call in a thousand.
   * @default 40
   */
  readonly minTryTimeoutMs?: number;
  /**
   * Calls that may be queued in each pool.
   * @default 1_000
   */
  readonly maxWaiting?: number;
  /**
   * Queueing delay above which a pool is overloaded, if it lasts for 100 ms and the queue grows, in milliseconds.
   * @default 5
   */
  readonly codelTargetMs?: number;
  /**
   * Retries after failures, as a share of all calls; three are always allowed.
   * @default 0.1
   */
  readonly retryShare?: number;
  /**
   * Hedges of slow calls, as a share of all calls, for models with `hedge`.
   * @default 0.05
   */
  readonly hedgeShare?: number;
  /**
   * Times calls so that each reaches a replica when the one before it ends. Must be off if other gateways send to the
   * same replicas. On by default, unless a pool has a `gateway`.
   */
  readonly pacing?: boolean;
  /** Round trip by region before it is measured, in milliseconds. */
  readonly roundTripsMs?: Readonly<Record<string, number>>;
}

export const routingDefaults: Required<Omit<RoutingOptions, "pacing" | "roundTripsMs">> = {
  maxAttempts: 4,
  maxFailures: 3,
  initialEjectionMs: 250,
  maxEjectionMs: 30_000,
  halfOpenMs: 1_000,
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
  halfOpenMs: durationMs
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
