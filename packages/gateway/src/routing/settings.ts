import { type RoutingOptions, routingDefaults } from "./options.ts";
import type { SchedulerSettings } from "./scheduler/scheduler.ts";

/** What a request is believed to take before the first one ended, in milliseconds: that of an FPGA. */
const initialServiceMs = 2;

/** What the scheduler is run by, of what the configuration says. */
export function schedulerSettings(
  { roundTripsMs, ...options }: RoutingOptions,
  { ownRegion }: { readonly ownRegion: string },
): SchedulerSettings {
  return {
    ...{ ...routingDefaults, ...options, ownRegion, initialServiceMs },
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

/** A region that the table does not know is farther than any that it does. */
const unknownRoundTripMs = 1_000;
/** Way to a replica in the gateway's own region and back, before it is measured. */
const ownRoundTripMs = 0.4;

/**
 * What the way to another region and back is believed to take before it is measured, in milliseconds.
 *
 * @param told - by region, where the configuration says so
 */
export function seededRoundTripMs(
  from: string,
  to: string,
  told: Readonly<Record<string, number>> = {},
): number {
  if (from === to) return ownRoundTripMs;
  const known = knownRoundTripsMs.find(
    ([a, b]) => (a === from && b === to) || (a === to && b === from),
  )?.[2];
  return told[to] ?? known ?? unknownRoundTripMs;
}
