import type { RoutingWishes } from "@tensorgate/core";

/**
 * P95 round trips between the regions of the FPGA cloud, in milliseconds, July 2026. Seeds the choice until
 * round trips are measured.
 */
const roundTripsMs: readonly (readonly [string, string, number])[] = [
  ["eastus", "westus2", 75],
  ["eastus", "westeurope", 90],
  ["eastus", "southeastasia", 229],
  ["westus2", "westeurope", 153],
  ["westus2", "southeastasia", 165],
  ["westeurope", "southeastasia", 181],
];

/** A region that the table does not know is farther than any that it does. */
const unknownRoundTripMs = 1_000;

/** Expected round trip between two regions, in milliseconds; 0 within one, undefined where the table has none. */
export function knownRoundTripMs(from: string, to: string): number | undefined {
  if (from === to) return 0;
  return roundTripsMs.find(([a, b]) => (a === from && b === to) || (a === to && b === from))?.[2];
}

/** The same, where something must be expected of every region. */
export function roundTripMs(from: string, to: string): number {
  return knownRoundTripMs(from, to) ?? unknownRoundTripMs;
}

/**
 * The regions a call may go to, in the order to try them: the one the caller wishes for, then the nearest.
 *
 * @param ownRegion - where this gateway runs
 * @returns empty if residency excludes every region: it is never left, whatever fails
 */
export function regionsInOrder(
  regions: readonly string[],
  ownRegion: string,
  { region: wish, residency }: RoutingWishes,
): readonly string[] {
  const cost = (region: string) => (region === wish ? -1 : roundTripMs(ownRegion, region));
  return regions
    .filter((region) => residency === undefined || residency.includes(region))
    .toSorted((a, b) => cost(a) - cost(b));
}
