import type { ScheduledReplica } from "./replica.ts";

/** A replica, and when it is ready for a request, in milliseconds. */
export interface Slot {
  readonly replica: ScheduledReplica;
  readonly atMs: number;
}

/** What the replicas of a pool are compared by. */
export type SlotFigure = "roundTripMs" | "usualMs";

/** Sums over the replicas of a pool that serve; `probingCount` is over those that do not. */
export interface ReplicaTotals {
  servingCount: number;
  /** How many of them are gateways. */
  gatewayCount: number;
  /** Requests that they process at the same time. */
  parallelism: number;
  slotCount: number;
  inFlight: number;
  /** Requests that they process now. */
  busy: number;
  /** Throughput, in requests per millisecond. */
  capacityPerMs: number;
  /** How many others depend on a probe. */
  probingCount: number;
}

/** What a pool's replicas add up to, and which of them is free first: kept, so that a request costs O(log n) of n replicas. */
export interface ReplicaIndex {
  add(replica: ScheduledReplica): void;
  /** Replicas of which something has changed. One that was removed still ends what it has in flight. */
  readonly changed: Set<ScheduledReplica>;
  remove(replica: ScheduledReplica): void;
  totals(nowMs: number): Readonly<ReplicaTotals>;
  /** Returns the least of a figure of the replicas that serve, as of the last totals, in milliseconds; Infinity if none serves. */
  least(figure: SlotFigure): number;
  /**
   * Finds the replica that is ready first; of equals the one with the fewest in flight, then the longest idle one.
   *
   * @returns undefined while only a reply can free a slot. If none is ready, `atMs` is when to look again
   */
  soonest(nowMs: number): Slot | undefined;
}

/** What a replica adds to the totals, and its place in the orders, as of its last change. */
interface Entry extends ReplicaTotals {
  readonly replica: ScheduledReplica;
  /** Decides between replicas that are equal otherwise. */
  readonly order: number;
  lastSentMs: number;
  /** When it changes without an event: a slot is freed or a pause ends. Infinity for never. */
  reviewMs: number;
}

/** Changes after which the totals are recomputed, because sums of fractions drift. */
const maxDrift = 10_000;

export function createReplicaIndex(): ReplicaIndex {
  const entries = new Map<ScheduledReplica, Entry>();
  const changed = new Set<ScheduledReplica>();
  const free = createIndexedHeap<Entry>((one, other) => {
    if (one.inFlight !== other.inFlight) return one.inFlight < other.inFlight;
    if (one.lastSentMs !== other.lastSentMs) return one.lastSentMs < other.lastSentMs;
    return one.order < other.order;
  });
  const reviews = createIndexedHeap<Entry>((one, other) => one.reviewMs < other.reviewMs);
  const totals = noTotals();
  /** Looked for again only after the one that had the least has got more, or is gone. */
  const holders = { roundTripMs: noHolder(), usualMs: noHolder() };
  let changeCount = 0;
  let lastOrder = 0;

  function update(entry: Entry, nowMs: number): void {
    const { replica } = entry;
    add(totals, entry, -1);
    measure(entry, nowMs);
    add(totals, entry, 1);
    const { slots, isServing } = replica;
    const readyMs = isServing ? slots.readySinceMs(nowMs) : noTime;
    const dueMs = readyMs > nowMs ? readyMs : noTime;
    const limitedMs = slots.limitedUntilMs > nowMs ? slots.limitedUntilMs : noTime;
    entry.reviewMs = isServing
      ? Math.min(dueMs, limitedMs, slots.freeWithoutReplyMs(nowMs))
      : noTime;
    if (readyMs <= nowMs) free.place(entry);
    else free.remove(entry);
    if (entry.reviewMs < noTime) reviews.place(entry);
    else reviews.remove(entry);
    for (const figure of slotFigures) {
      const holder = holders[figure];
      const figureMs = isServing ? slots[figure] : noTime;
      if (figureMs <= holder.leastMs && figureMs < noTime) {
        holder.replica = replica;
        holder.leastMs = figureMs;
      } else if (holder.replica === replica) holder.replica = undefined;
    }
  }

  /** Takes over what has changed. @returns the totals, which are as of now then */
  function refresh(nowMs: number): ReplicaTotals {
    changeCount += changed.size;
    for (const replica of changed) {
      const entry = entries.get(replica);
      if (entry) update(entry, nowMs);
    }
    changed.clear();
    for (let due = reviews.first; due && due.reviewMs <= nowMs; due = reviews.first) {
      update(due, nowMs);
    }
    if (changeCount < maxDrift) return totals;
    changeCount = 0;
    Object.assign(totals, noTotals());
    for (const entry of entries.values()) add(totals, entry, 1);
    return totals;
  }

  return {
    add: (replica) => {
      lastOrder += 1;
      const place = { order: lastOrder, lastSentMs: 0, reviewMs: noTime };
      entries.set(replica, { ...noTotals(), replica, ...place });
      changed.add(replica);
    },
    changed,
    remove: (replica) => {
      const entry = entries.get(replica);
      if (!entry) return;
      changed.delete(replica);
      add(totals, entry, -1);
      free.remove(entry);
      reviews.remove(entry);
      entries.delete(replica);
      for (const figure of slotFigures) {
        if (holders[figure].replica === replica) holders[figure].replica = undefined;
      }
    },
    totals: refresh,
    least: (figure) => {
      const holder = holders[figure];
      if (holder.replica) return holder.leastMs;
      holder.leastMs = noTime;
      for (const replica of entries.keys()) {
        if (!replica.isServing || replica.slots[figure] >= holder.leastMs) continue;
        holder.replica = replica;
        holder.leastMs = replica.slots[figure];
      }
      return holder.leastMs;
    },
    soonest: (nowMs) => {
      refresh(nowMs);
      for (let first = free.first; first; first = free.first) {
        const { replica } = first;
        // One that is timed to arrive when the one before ends is ready no longer once that is overdue.
        if (replica.slots.readySinceMs(nowMs) <= nowMs) return { replica, atMs: nowMs };
        update(first, nowMs);
      }
      const next = reviews.first;
      return next && { replica: next.replica, atMs: next.reviewMs };
    },
  };
}

const noTime = Number.POSITIVE_INFINITY;

const slotFigures: readonly SlotFigure[] = ["roundTripMs", "usualMs"];

/** The replica that has the least of a figure, if it is known. */
interface LeastHolder {
  replica: ScheduledReplica | undefined;
  leastMs: number;
}

const noHolder = (): LeastHolder => ({ replica: undefined, leastMs: noTime });

function noTotals(): ReplicaTotals {
  return {
    servingCount: 0,
    gatewayCount: 0,
    parallelism: 0,
    slotCount: 0,
    inFlight: 0,
    busy: 0,
    capacityPerMs: 0,
    probingCount: 0,
  };
}

function add(totals: ReplicaTotals, entry: ReplicaTotals, sign: 1 | -1): void {
  totals.servingCount += sign * entry.servingCount;
  totals.gatewayCount += sign * entry.gatewayCount;
  totals.parallelism += sign * entry.parallelism;
  totals.slotCount += sign * entry.slotCount;
  totals.inFlight += sign * entry.inFlight;
  totals.busy += sign * entry.busy;
  totals.probingCount += sign * entry.probingCount;
  // Sums of fractions keep a rest, which must not look like capacity.
  totals.capacityPerMs =
    totals.servingCount === 0 ? 0 : totals.capacityPerMs + sign * entry.capacityPerMs;
}

/** Reads what a replica adds now. */
function measure(entry: Entry, nowMs: number): void {
  const { isServing, isProbing, slots, member } = entry.replica;
  const inFlight = isServing ? slots.inFlight(nowMs) : 0;
  entry.lastSentMs = slots.lastSentMs;
  entry.servingCount = Number(isServing);
  entry.gatewayCount = Number(isServing && member.isGateway);
  entry.parallelism = isServing ? slots.parallelism : 0;
  entry.slotCount = isServing ? slots.slotCount : 0;
  entry.inFlight = inFlight;
  entry.busy = Math.min(inFlight, slots.parallelism);
  entry.capacityPerMs = isServing ? slots.parallelism / Math.max(slots.takenMs, 0.01) : 0;
  entry.probingCount = Number(!isServing && isProbing);
}

/** A binary heap whose items can be moved and removed wherever they are: both cost O(log n). */
export interface IndexedHeap<Item> {
  /** The first item, without removing it. */
  readonly first: Item | undefined;
  /** Adds an item, or moves one whose place in the order has changed. */
  place(item: Item): void;
  /** Removes an item, if it is there. */
  remove(item: Item): void;
}

/** @param isBefore - a strict order, which may only change for the item that is placed next */
export function createIndexedHeap<Item>(
  isBefore: (one: Item, other: Item) => boolean,
): IndexedHeap<Item> {
  const items: Item[] = [];
  const indexes = new Map<Item, number>();

  function put(index: number, item: Item): void {
    items[index] = item;
    indexes.set(item, index);
    if (index === 0) heap.first = item;
  }

  /** Moves an item up or down to where it belongs. @param from - where it is, or a gap */
  function place(item: Item, from = indexes.get(item) ?? items.length): void {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex] as Item;
      if (!isBefore(item, parent)) break;
      put(index, parent);
      index = parentIndex;
    }
    // One that moved up is before all that is below it.
    for (let childIndex = 2 * index + 1; childIndex < items.length; childIndex = 2 * index + 1) {
      const right = childIndex + 1;
      if (right < items.length && isBefore(items[right] as Item, items[childIndex] as Item)) {
        childIndex = right;
      }
      const child = items[childIndex] as Item;
      if (!isBefore(child, item)) break;
      put(index, child);
      index = childIndex;
    }
    put(index, item);
  }

  const heap: IndexedHeap<Item> & { first: Item | undefined } = {
    first: undefined,
    place,
    remove: (item) => {
      const index = indexes.get(item);
      if (index === undefined) return;
      indexes.delete(item);
      const last = items.pop() as Item;
      if (index < items.length) place(last, index);
      else if (index === 0) heap.first = undefined;
    },
  };
  return heap;
}
