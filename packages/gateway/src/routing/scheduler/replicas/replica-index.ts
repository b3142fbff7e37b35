import { createIndexedHeap, type HeapItem, notInHeap } from "@tensorgate/core";
import type { ScheduledReplica } from "./replica.ts";
import type { SlotSettings } from "./slots.ts";

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
  /** Adds a replica. @param create - makes it, with whom it is to notify of its changes */
  add(create: CreateReplica): ScheduledReplica;
  /** Notes that something of a replica has changed. */
  changed(replica: ScheduledReplica): void;
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

type CreateReplica = (observer: SlotSettings["observer"]) => ScheduledReplica;

/** What a replica adds to the totals, and its place in the orders, as of its last change. */
class Entry implements ReplicaTotals, HeapItem {
  // What free replicas are compared by comes first, so that it is in one line of the processor's cache.
  inFlight = 0;
  lastSentMs = 0;
  /** Decides between replicas that are equal otherwise. */
  readonly order: number;
  /** Its place among those that are free. */
  heapIndex: number = notInHeap;
  readonly replica: ScheduledReplica;
  /** Whether it was removed: it still ends what it has in flight. */
  isRemoved = false;
  servingCount = 0;
  gatewayCount = 0;
  parallelism = 0;
  slotCount = 0;
  busy = 0;
  capacityPerMs = 0;
  probingCount = 0;
  /** When it changes without an event: a slot is freed or a pause ends. Infinity for never. */
  reviewMs: number = Number.POSITIVE_INFINITY;
  /** Its place among those that change without an event. */
  readonly review: Review;
  /** Whether it is among those that have changed, and the one after it. */
  isChanged = false;
  nextChanged: Entry | undefined;
  readonly #all: ChangedEntries;

  constructor(create: CreateReplica, all: ChangedEntries, order: number) {
    this.order = order;
    this.review = { entry: this, heapIndex: notInHeap };
    this.#all = all;
    this.replica = create(this);
  }

  /** Notes that something of the replica has changed. */
  changed(): void {
    if (this.isChanged) return;
    this.isChanged = true;
    const { last } = this.#all;
    if (last) last.nextChanged = this;
    else this.#all.first = this;
    this.#all.last = this;
  }
}

/** Entries that have changed, in that order. Linked, since a `Set` that is cleared takes a new table each time. */
interface ChangedEntries {
  first: Entry | undefined;
  last: Entry | undefined;
}

/** An entry among those that change without an event. */
interface Review extends HeapItem {
  readonly entry: Entry;
}

/** Changes after which the throughput is added up again, because sums of fractions drift. */
const maxDrift = 10_000;

export function createReplicaIndex(): ReplicaIndex {
  const entries = new Map<ScheduledReplica, Entry>();
  const free = createIndexedHeap<Entry>((one, other) => {
    if (one.inFlight !== other.inFlight) return one.inFlight < other.inFlight;
    if (one.lastSentMs !== other.lastSentMs) return one.lastSentMs < other.lastSentMs;
    return one.order < other.order;
  });
  const reviews = createIndexedHeap<Review>(
    ({ entry: one }, { entry: other }) => one.reviewMs < other.reviewMs,
  );
  const totals = noTotals();
  /** Looked for again only after the one that had the least has got more, or is gone. */
  const holders = { roundTripMs: noHolder(), usualMs: noHolder() };
  const changed: ChangedEntries = { first: undefined, last: undefined };
  let changeCount = 0;
  let lastOrder = 0;

  function update(entry: Entry, nowMs: number): void {
    const { replica } = entry;
    const { slots } = replica;
    const isServing = replica.isServing && !entry.isRemoved;
    const before = entry.reviewMs;
    let readyMs = noTime;
    entry.reviewMs = noTime;
    if (isServing) {
      // Removes abandoned attempts that are over: it comes before they are counted.
      readyMs = slots.readySinceMs(nowMs);
      const dueMs = readyMs > nowMs ? readyMs : noTime;
      const limitedMs = slots.limitedUntilMs > nowMs ? slots.limitedUntilMs : noTime;
      const freedMs = slots.abandonedCount > 0 ? slots.freeWithoutReplyMs(nowMs) : noTime;
      entry.reviewMs = Math.min(dueMs, limitedMs, freedMs);
    }
    measure(entry, isServing);
    if (readyMs <= nowMs) free.place(entry);
    else free.remove(entry);
    if (entry.reviewMs < noTime) reviews.place(entry.review);
    else if (before < noTime) reviews.remove(entry.review);
    for (const figure of slotFigures) {
      const holder = holders[figure];
      const figureMs = isServing ? slots[figure] : noTime;
      if (figureMs <= holder.leastMs && figureMs < noTime) {
        holder.replica = replica;
        holder.leastMs = figureMs;
      } else if (holder.replica === replica) holder.replica = undefined;
    }
  }

  /** Takes over into the totals what a replica adds now. */
  function measure(entry: Entry, isServing: boolean): void {
    const { slots, member, isProbing } = entry.replica;
    const inFlight = isServing ? slots.inFlightCount : 0;
    const parallelism = isServing ? slots.parallelism : 0;
    const slotCount = isServing ? slots.slotCount : 0;
    const busy = Math.min(inFlight, parallelism);
    const gatewayCount = Number(isServing && member.isGateway);
    const probingCount = Number(isProbing && !isServing && !entry.isRemoved);
    const capacityPerMs = isServing ? parallelism / Math.max(slots.takenMs, 0.01) : 0;
    const others = totals.servingCount - entry.servingCount;
    // Sums of fractions keep a rest, which must not look like capacity.
    const othersPerMs = others === 0 ? 0 : totals.capacityPerMs - entry.capacityPerMs;
    totals.servingCount = others + Number(isServing);
    totals.gatewayCount += gatewayCount - entry.gatewayCount;
    totals.parallelism += parallelism - entry.parallelism;
    totals.slotCount += slotCount - entry.slotCount;
    totals.inFlight += inFlight - entry.inFlight;
    totals.busy += busy - entry.busy;
    totals.probingCount += probingCount - entry.probingCount;
    totals.capacityPerMs = othersPerMs + capacityPerMs;
    entry.servingCount = Number(isServing);
    entry.gatewayCount = gatewayCount;
    entry.parallelism = parallelism;
    entry.slotCount = slotCount;
    entry.inFlight = inFlight;
    entry.busy = busy;
    entry.probingCount = probingCount;
    entry.capacityPerMs = capacityPerMs;
    entry.lastSentMs = slots.lastSentMs;
  }

  /** Takes over what has changed. @returns the totals, which are as of now then */
  function refresh(nowMs: number): ReplicaTotals {
    for (let entry = changed.first; entry; entry = changed.first) {
      changeCount += 1;
      if (!entry.isRemoved) update(entry, nowMs);
      changed.first = entry.nextChanged;
      entry.nextChanged = undefined;
      entry.isChanged = false;
    }
    changed.last = undefined;
    for (let due = reviews.first; due && due.entry.reviewMs <= nowMs; due = reviews.first) {
      update(due.entry, nowMs);
    }
    if (changeCount < maxDrift) return totals;
    changeCount = 0;
    totals.capacityPerMs = 0;
    for (const entry of entries.values()) totals.capacityPerMs += entry.capacityPerMs;
    return totals;
  }

  return {
    add: (create) => {
      lastOrder += 1;
      const entry = new Entry(create, changed, lastOrder);
      entries.set(entry.replica, entry);
      entry.changed();
      return entry.replica;
    },
    changed: (replica) => entries.get(replica)?.changed(),
    remove: (replica) => {
      const entry = entries.get(replica);
      if (!entry) return;
      entries.delete(replica);
      entry.isRemoved = true;
      update(entry, 0);
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
      const next = reviews.first?.entry;
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
