import { type Priority, priorities } from "@tensorgate/core";

/** Position of a request's class in a queue, 0 for the class that goes first. */
export type Rank = number;

interface RankedRequest {
  readonly priority: Priority;
  readonly isForwarded: boolean;
}

/** Ranks a request by its priority; in each priority a region's own callers go before other regions. */
export function rankOf({ priority, isForwarded }: RankedRequest): Rank {
  return 2 * priorities.indexOf(priority) + (isForwarded ? 1 : 0);
}

const rankCount = 2 * priorities.length;

/** What can be queued, in one queue at a time. */
export interface Waiting<Item> {
  readonly rank: Rank;
  /** When it was queued. */
  readonly sinceMs: number;
  /** Its neighbours in its class. Set by the queue. */
  before: Item | undefined;
  after: Item | undefined;
}

/** Requests that wait for a slot, by class: higher classes first, first in, first out in each. */
export interface RequestQueue<Item extends Waiting<Item>> {
  readonly length: number;
  /** @param atFront - whether it goes to the front of its class: it was sent before */
  add(item: Item, atFront?: boolean): void;
  /**
   * Finds the next item among those that fit `whom`, without removing it.
   *
   * @param newestFirst - whether a class is last in, first out
   */
  first<Whom>(
    newestFirst: boolean,
    isFit: (item: Item, whom: Whom) => boolean,
    whom: Whom,
  ): Item | undefined;
  /** Finds the item that has waited longest, of any class. */
  oldest(): Item | undefined;
  /** Finds the oldest item of the lowest class below `rank`, which is evicted first. */
  lowestBelow(rank: Rank): Item | undefined;
  /** Counts the items that go before a new one of class `rank`. */
  depthAhead(rank: Rank): number;
  /** Removes an item at any position. @param item - must be queued here */
  remove(item: Item): void;
  /** Lists all items in their order. */
  all(): readonly Item[];
  /** Removes all items, and returns them in their order. */
  clear(): readonly Item[];
}

interface ClassQueue<Item> {
  first: Item | undefined;
  last: Item | undefined;
  count: number;
}

/** Creates a queue of linked lists, so that both ends and the middle cost the same. */
export function createRequestQueue<Item extends Waiting<Item>>(): RequestQueue<Item> {
  const classes = Array.from(
    { length: rankCount },
    (): ClassQueue<Item> => ({ first: undefined, last: undefined, count: 0 }),
  );

  const queue: RequestQueue<Item> & { length: number } = {
    length: 0,
    add: (item, atFront = false) => {
      // Ranks come from `rankOf`.
      const ofClass = classes[item.rank] as ClassQueue<Item>;
      item.before = atFront ? undefined : ofClass.last;
      item.after = atFront ? ofClass.first : undefined;
      if (item.before) item.before.after = item;
      else ofClass.first = item;
      if (item.after) item.after.before = item;
      else ofClass.last = item;
      ofClass.count += 1;
      queue.length += 1;
    },
    first: (newestFirst, isFit, whom) => {
      for (const { first, last } of classes) {
        let item = newestFirst ? last : first;
        while (item) {
          if (isFit(item, whom)) return item;
          item = newestFirst ? item.before : item.after;
        }
      }
      return undefined;
    },
    oldest: () => {
      let oldest: Item | undefined;
      for (const { first } of classes) {
        if (first && !(oldest && oldest.sinceMs <= first.sinceMs)) oldest = first;
      }
      return oldest;
    },
    lowestBelow: (rank) =>
      classes.findLast(({ first }, index) => index > rank && first !== undefined)?.first,
    depthAhead: (rank) => {
      let ahead = 0;
      for (const [index, { count }] of classes.entries()) if (index <= rank) ahead += count;
      return ahead;
    },
    remove: (item) => {
      const { before, after } = item;
      const ofClass = classes[item.rank] as ClassQueue<Item>;
      if (before) before.after = after;
      else ofClass.first = after;
      if (after) after.before = before;
      else ofClass.last = before;
      // Nor may what has left lead to those that came after it.
      item.before = undefined;
      item.after = undefined;
      ofClass.count -= 1;
      queue.length -= 1;
    },
    all: () =>
      classes.flatMap(({ first }) => {
        const inOrder: Item[] = [];
        for (let item = first; item; item = item.after) inOrder.push(item);
        return inOrder;
      }),
    clear: () => {
      const items = queue.all();
      for (const item of items) queue.remove(item);
      return items;
    },
  };
  return queue;
}

/** Detects overload: queueing delay stays above its target for an interval (CoDel), and arrivals exceed departures. */
export interface Overload {
  readonly isOn: boolean;
  /**
   * Counts a request: `offered` when it arrives, admitted or not, if it could go to this pool; `sent` when it leaves for a
   * replica.
   */
  count(what: "offered" | "sent", nowMs: number): void;
  /** Records an event-loop stall from `sinceMs` to `nowMs`: arrivals of that time are counted, and nothing could be sent. */
  paused(sinceMs: number, nowMs: number): void;
  /** Returns how many requests were sent per millisecond of the last half second. */
  sentPerMs(nowMs: number): number;
  /**
   * @param queue - `long` if the oldest request has waited longer than the target, `held-up` if it did so for the
   *   gateway's own processor
   */
  observe(queue: "short" | "long" | "held-up", nowMs: number): void;
}

/**
 * Interval within which the queue of a mere burst becomes short, in milliseconds.
 * @see Nichols and Jacobson, "Controlling Queue Delay" (RFC 8289), section 4.2
 */
export const codelIntervalMs = 100;

/** Arrivals per departure of a queue that grows: a long queue alone is no overload, since at 95 % load it lasts for hundreds of milliseconds. */
const growthFactor = 1.1;
/** Standard deviations of a Poisson process by which few arrivals may exceed departures by chance. */
const chanceDeviations = 1.5;
const bucketMs = 50;
/** Covers half a second, in which arrivals of an eight-device pool vary by three per cent. */
const bucketCount = 10;
/** The newest buckets must show growth too: a burst, as after an event-loop stall, is over by then. */
const lastBuckets = 2;
/** A rate needs some running time to measure: the gateway counts as running for at least a tenth of the time. */
const maxPausedShare = 0.9;

interface Bucket {
  offered: number;
  sent: number;
  /** How long the event loop was stalled, in milliseconds. */
  pausedMs: number;
}

export function createOverload(): Overload {
  /** Buckets of the last half second, the newest one last. */
  const buckets: Bucket[] = [];
  let newest = Number.NEGATIVE_INFINITY;
  let longSinceMs = Number.POSITIVE_INFINITY;

  /** Returns the current bucket, after adding empty ones for the time since the last count. */
  function bucketAt(nowMs: number): Bucket {
    const number = Math.floor(nowMs / bucketMs);
    for (let from = Math.max(newest, number - bucketCount); from < number; from += 1) {
      buckets.push({ offered: 0, sent: 0, pausedMs: 0 });
    }
    newest = Math.max(newest, number);
    if (buckets.length > bucketCount) buckets.splice(0, buckets.length - bucketCount);
    return buckets.at(-1) as Bucket;
  }

  /** @param last - how many of the newest buckets count */
  function isGrowing(nowMs: number, last = bucketCount): boolean {
    bucketAt(nowMs);
    let [offered, sentWhileRunning, pausedMs] = [0, 0, 0];
    for (const bucket of buckets.slice(-last)) {
      offered += bucket.offered;
      sentWhileRunning += bucket.sent;
      pausedMs += bucket.pausedMs;
    }
    const windowMs = (last - 1) * bucketMs + (nowMs % bucketMs);
    // Without the stalls requests would have been sent at the same rate.
    const sent = sentWhileRunning / (1 - Math.min(pausedMs / windowMs, maxPausedShare));
    return offered > growthFactor * sent + chanceDeviations * Math.sqrt(sent);
  }

  const overload = {
    isOn: false,
    count: (what: "offered" | "sent", nowMs: number) => {
      bucketAt(nowMs)[what] += 1;
    },
    paused: (sinceMs: number, nowMs: number) => {
      bucketAt(nowMs);
      const oldest = newest - buckets.length + 1;
      for (const [index, bucket] of buckets.entries()) {
        const startMs = (oldest + index) * bucketMs;
        const untilMs = Math.min(nowMs, startMs + bucketMs);
        bucket.pausedMs += Math.max(0, untilMs - Math.max(sinceMs, startMs));
      }
    },
    sentPerMs: (nowMs: number) => {
      bucketAt(nowMs);
      const sent = buckets.reduce((sum, bucket) => sum + bucket.sent, 0);
      return sent / ((buckets.length - 1) * bucketMs + (nowMs % bucketMs));
    },
    observe: (queue: "short" | "long" | "held-up", nowMs: number) => {
      if (queue !== "long") {
        longSinceMs = Number.POSITIVE_INFINITY;
        // Rejecting would cost the processor that is the limit, and callers who ask again would cost it more.
        if (queue === "held-up") overload.isOn = false;
        // A queue that is short only because requests were rejected would soon be long again.
        if (overload.isOn) overload.isOn = isGrowing(nowMs);
        return;
      }
      longSinceMs = Math.min(longSinceMs, nowMs);
      if (overload.isOn || nowMs - longSinceMs < codelIntervalMs) return;
      overload.isOn = isGrowing(nowMs) && isGrowing(nowMs, lastBuckets);
    },
  };
  return overload;
}
