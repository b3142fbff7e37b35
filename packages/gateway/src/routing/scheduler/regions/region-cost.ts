/** A region is left for one that is better by at least this, in milliseconds. */
const leastHysteresisMs = 5;
/** The same as a share of the round trip to the other region. */
const hysteresisShare = 0.2;

export interface RegionFacts {
  /** Way there and back, in milliseconds. */
  readonly roundTripMs: number;
  /** Until a replica begins with a new request, in milliseconds. */
  readonly expectedWaitMs: number;
  /** Whether requests go there already. */
  readonly isUsed: boolean;
}

/** What a request costs in a region, in milliseconds: the way, the wait, and a lead for the region that is used. */
export function costMs({ roundTripMs, expectedWaitMs, isUsed }: RegionFacts): number {
  const hysteresisMs = isUsed ? 0 : Math.max(leastHysteresisMs, hysteresisShare * roundTripMs);
  return roundTripMs + expectedWaitMs + hysteresisMs;
}
