import { type Priority, priorities } from "@tensorgate/core";

/** Place of a request's class in a queue, 0 for those that come first. */
export type Rank = number;

interface RankedRequest {
  readonly priority: Priority;
  readonly isForwarded: boolean;
}

/** In each class a region's own callers come before what other regions send. */
export function rankOf({ priority, isForwarded }: RankedRequest): Rank {
  return 2 * priorities.indexOf(priority) + (isForwarded ? 1 : 0);
}

const rankCount = 2 * priorities.length;

export interface Waiting {
  readonly id: number;
  readonly rank: Rank;
  /** When it joined the line. */
  readonly sinceMs: number;
}

/** Requests without a slot, in classes: the higher one before the lower, first in, first out in each. */
export interface RequestQueue<Item extends Waiting> {
  readonly length: number;
  /** @param atFront - of its class: it has had its turn already */
  add(item: Item, atFront?: boolean): void;
  /**
   * The one whose turn it is among those that fit, left where it is.
   *
   * @param newestFirst - the last of a class before the first of it
   */
  first(newestFirst: boolean, isFit: (item: Item) => boolean): Item | undefined;
  /** The one that waits longest, of any class. */
  oldest(): Item | undefined;
  /** The oldest of the lowest class below `rank`: the one that gives way. */
  lowestBelow(rank: Rank): Item | undefined;
  /** How many have their turn before a new one of that class. */
  aheadOf(rank: Rank): number;
  /** Takes one out, wherever it stands; false if it is not there. */
  remove(id: number): boolean;
  /** All, in the order of their turns. */
  all(): readonly Item[];
  /** Takes out all, in the order of their turns. */
  clear(): readonly Item[];
}

interface Node<Item> {
  readonly item: Item;
  before: Node<Item> | undefined;
  after: Node<Item> | undefined;
}

interface ClassQueue<Item> {
  first: Node<Item> | undefined;
  last: Node<Item> | undefined;
  count: number;
}

/** Linked, so that both ends and the middle cost the same. */
export function createRequestQueue<Item extends Waiting>(): RequestQueue<Item> {
  const classes = Array.from(
    { length: rankCount },
    (): ClassQueue<Item> => ({ first: undefined, last: undefined, count: 0 }),
  );
  const nodes = new Map<number, Node<Item>>();

  const queue: RequestQueue<Item> & { length: number } = {
    length: 0,
    add: (item, atFront = false) => {
      // Ranks are what `rankOf` gives.
      const ofClass = classes[item.rank] as ClassQueue<Item>;
      const node: Node<Item> = {
        item,
        before: atFront ? undefined : ofClass.last,
        after: atFront ? ofClass.first : undefined,
      };
      if (node.before) node.before.after = node;
      else ofClass.first = node;
      if (node.after) node.after.before = node;
      else ofClass.last = node;
      ofClass.count += 1;
      queue.length += 1;
      nodes.set(item.id, node);
    },
    first: (newestFirst, isFit) => {
      for (const { first, last } of classes) {
        let node = newestFirst ? last : first;
        while (node) {
          if (isFit(node.item)) return node.item;
          node = newestFirst ? node.before : node.after;
        }
      }
      return undefined;
    },
    oldest: () => {
      let oldest: Item | undefined;
      for (const { first } of classes) {
        if (first && !(oldest && oldest.sinceMs <= first.item.sinceMs)) oldest = first.item;
      }
      return oldest;
    },
    lowestBelow: (rank) =>
      classes.findLast(({ first }, index) => index > rank && first !== undefined)?.first?.item,
    aheadOf: (rank) => {
      let ahead = 0;
      for (const [index, { count }] of classes.entries()) if (index <= rank) ahead += count;
      return ahead;
    },
    remove: (id) => {
      const node = nodes.get(id);
      if (!node) return false;
      const { item, before, after } = node;
      const ofClass = classes[item.rank] as ClassQueue<Item>;
      if (before) before.after = after;
      else ofClass.first = after;
      if (after) after.before = before;
      else ofClass.last = before;
      ofClass.count -= 1;
      queue.length -= 1;
      return nodes.delete(id);
    },
    all: () =>
      classes.flatMap(({ first }) => {
        const inOrder: Item[] = [];
        for (let node = first; node; node = node.after) inOrder.push(node.item);
        return inOrder;
      }),
    clear: () => {
      const items = queue.all();
      nodes.clear();
      queue.length = 0;
      for (const each of classes) {
        each.first = undefined;
        each.last = undefined;
        each.count = 0;
      }
      return items;
    },
  };
  return queue;
}

/** Whether a queue is overloaded: it is not once short for a while (CoDel), and more comes than is sent. */
export interface Overload {
  readonly isOn: boolean;
  /**
   * Counts a request: `offered` one that could have gone to this pool, whether it was admitted or not, `sent` one that
   * left for a replica.
   */
  count(what: "offered" | "sent", nowMs: number): void;
  /** The gateway itself did nothing from `sinceMs` to `nowMs`: what came then was counted, and nothing could be sent. */
  paused(sinceMs: number, nowMs: number): void;
  /** @param isLong - whether the request that waits longest has waited for longer than the target */
  observe(isLong: boolean, nowMs: number): void;
}

/**
 * Length of the interval in which a queue that is no more than a burst gets short, in milliseconds.
 * @see Nichols and Jacobson, "Controlling Queue Delay" (RFC 8289), section 4.2
 */
export const codelIntervalMs = 100;

/** A long queue alone is no overload: at 95 % load it is long for hundreds of milliseconds. It must grow, too. */
const growing = 1.1;
/** Few calls differ by chance: so many standard deviations of what a Poisson process brings. */
const chance = 1.5;
const bucketMs = 50;
/** Half a second: arrivals of an eight-device pool vary by three per cent in it. */
const bucketCount = 10;
/** The last of them must show the same: what came all at once, as after a pause of the gateway, is over by then. */
const lastBuckets = 2;
/** A rate is known only where something was seen of it: the gateway counts as running for a tenth of the time at least. */
const maxPausedShare = 0.9;

interface Bucket {
  offered: number;
  sent: number;
  /** How long the gateway itself was paused, in milliseconds. */
  pausedMs: number;
}

export function createOverload(): Overload {
  /** The last half second, the newest one last. */
  const buckets: Bucket[] = [];
  let newest = Number.NEGATIVE_INFINITY;
  let longSinceMs = Number.POSITIVE_INFINITY;

  /** Returns the bucket that is being filled, after empty ones for the time in which nothing was counted. */
  function bucketAt(nowMs: number): Bucket {
    const number = Math.floor(nowMs / bucketMs);
    for (let from = Math.max(newest, number - bucketCount); from < number; from += 1) {
      buckets.push({ offered: 0, sent: 0, pausedMs: 0 });
    }
    newest = Math.max(newest, number);
    if (buckets.length > bucketCount) buckets.splice(0, buckets.length - bucketCount);
    return buckets.at(-1) as Bucket;
  }

  /** @param last - so many of the buckets, the one that is being filled included */
  function isGrowing(nowMs: number, last = bucketCount): boolean {
    bucketAt(nowMs);
    let [offered, sentWhileRunning, pausedMs] = [0, 0, 0];
    for (const bucket of buckets.slice(-last)) {
      offered += bucket.offered;
      sentWhileRunning += bucket.sent;
      pausedMs += bucket.pausedMs;
    }
    const windowMs = (last - 1) * bucketMs + (nowMs % bucketMs);
    // The replicas would have gone on at the same rate.
    const sent = sentWhileRunning / (1 - Math.min(pausedMs / windowMs, maxPausedShare));
    return offered > growing * sent + chance * Math.sqrt(sent);
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
    observe: (isLong: boolean, nowMs: number) => {
      if (!isLong) {
        longSinceMs = Number.POSITIVE_INFINITY;
        // A queue that is short because others were rejected would soon be long again.
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
