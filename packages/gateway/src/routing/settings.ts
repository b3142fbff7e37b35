import { type RoutingOptions, routingDefaults } from "./options.ts";
import type { SchedulerSettings } from "./scheduler/scheduler.ts";

/** Service time before the first request has ended, in milliseconds: that of an FPGA. */
const initialServiceMs = 2;

/** Completes the settings of the scheduler with their defaults. */
export function schedulerSettings(
  { roundTripsMs, ...options }: RoutingOptions,
  { ownRegion }: { readonly ownRegion: string },
): SchedulerSettings {
  return {
    ...routingDefaults,
    ...options,
    ownRegion,
    initialServiceMs,
    roundTripMs: (from, to) => seededRoundTripMs(from, to, roundTripsMs),
  };
}

/**
 * P95 round trips between the regions of the FPGA cloud, in milliseconds, July 2026. Seeds the choice until round
 * trips are measured.
 */
const knownRoundTripsMs: readonly (readonly [string, string, number])[] = [
  ["eastus", "westus2", 75],
  ["eastus", "westeurope", 90],
  ["eastus", "southeastasia", 229],
  ["westus2", "westeurope", 153],
  ["westus2", "southeastasia", 165],
  ["westeurope", "southeastasia", 181],
];

/** Round trip to a region that is not in the table, in milliseconds: farther than any that is. */
const unknownRoundTripMs = 1_000;
/** Round trip to a replica in the gateway's own region before it is measured, in milliseconds. */
const ownRoundTripMs = 0.4;

/**
 * Returns the round trip between two regions before it is measured, in milliseconds.
 *
 * @param configured - by region
 */
export function seededRoundTripMs(
  from: string,
  to: string,
  configured: Readonly<Record<string, number>> = {},
): number {
  if (from === to) return ownRoundTripMs;
  const known = knownRoundTripsMs.find(
    ([a, b]) => (a === from && b === to) || (a === to && b === from),
  )?.[2];
  return configured[to] ?? known ?? unknownRoundTripMs;
}
