/** The slot that an attempt takes until it ends. */
export interface TakenSlot {
  sentMs: number;
  /** One way to the replica, in milliseconds. */
  readonly detourMs: number;
  arrivesMs: number;
  /** When the replica should begin with the attempt, and be done. */
  startMs: number;
  endMs: number;
  isAbandoned: boolean;
  /** Its neighbours, in the order they were sent. Set by the slots. */
  before: TakenSlot | undefined;
  after: TakenSlot | undefined;
}

/** Returns when the reply of an attempt should come, in milliseconds. */
export function repliedMs({ endMs, detourMs }: TakenSlot, roundTripMs: number): number {
  return endMs + roundTripMs / 2 + detourMs;
}

/** Returns the slot that was taken as the next one after `ahead` others. */
export function slotAfter(first: TakenSlot | undefined, ahead: number): TakenSlot | undefined {
  let slot = first;
  for (let passed = 0; slot && passed < ahead; passed += 1) slot = slot.after;
  return slot;
}

/**
 * Returns when the attempt ends that ends next after `ahead` others, in milliseconds.
 *
 * @param latestMs - one that should have ended before is overdue: nothing is known of its end
 * @returns Infinity for an overdue one
 */
export function endMsAfter(
  first: TakenSlot | undefined,
  {
    count,
    ahead,
    latestMs,
  }: { readonly count: number; readonly ahead: number; readonly latestMs: number },
): number {
  const ends = new Float64Array(count);
  let index = 0;
  for (let each = first; each; each = each.after) {
    const { endMs, detourMs } = each;
    ends[index] = endMs + detourMs < latestMs ? Number.POSITIVE_INFINITY : endMs;
    index += 1;
  }
  return ends.sort()[ahead] ?? Number.POSITIVE_INFINITY;
}
