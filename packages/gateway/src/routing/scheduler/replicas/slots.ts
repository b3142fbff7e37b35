import type { ConcurrencyLimit } from "./concurrency-limit.ts";
import { type OwnLag, ServiceTime } from "./latency.ts";
import { endMsAfter, repliedMs, slotAfter, type TakenSlot } from "./taken-slot.ts";

export interface SlotSettings {
  /** Requests that a replica processes at the same time, or an adaptive limit of those in flight. */
  readonly parallelism: number | ConcurrencyLimit;
  /**
   * Whether a request is timed to arrive when the one before it ends. Off if other gateways send to these replicas: two
   * that pace by what each sees do worse than none.
   */
  readonly isPaced: () => boolean;
  /** What the gateways that send to these replicas have in common. */
  readonly gateways: {
    /** How many share the slots, this one included. */
    readonly gatewayCount: number;
    /** How late this one handles events. */
    readonly ownLag: Pick<OwnLag, "ms">;
  };
  /** Round trip before it is measured, in milliseconds. */
  readonly roundTripMs: number;
  /** Service time before the first request has ended, in milliseconds. */
  readonly initialServiceMs: number;
  /** Notes every change that an event has made. */
  readonly observer: { changed(): void };
}

/** A reply is overdue after this many median deviations. */
const maxDeviations = 4;
/** The same as a share of the median, which decides if all requests take the same time. */
const maxLateShare = 0.1;
/** Replies after which the service time counts as known. */
const minReplies = 5;
/** Minimum pause of a replica that rejected a request, in milliseconds. */
const minPauseMs = 5;
/** Weight of a shorter detour. A longer one counts whole. */
const shorterDetourWeight = 0.05;
/** Weight of a longer round trip, which may have been queued. A shorter one is closer to the truth and counts whole. */
const longerWeight = 0.05;

/** The slots of one replica: what is in flight there, and when it may get more. Only its methods change its fields. */
export class ReplicaSlots {
  /** Requests that it processes at the same time, as far as is known. */
  parallelism: number;
  /** As many as keep it busy while a reply and the next request are in transit; of shared ones the gateway's part. */
  slotCount = 0;
  /** Median service time, in milliseconds. */
  usualMs = 0;
  /** How long a request takes a slot on average, in milliseconds. */
  takenMs = 0;
  roundTripMs: number;
  /** When the last request was sent; -Infinity before the first. */
  lastSentMs: number = Number.NEGATIVE_INFINITY;
  /** Attempts in flight as of the last `inFlight` or `readySinceMs`. */
  inFlightCount = 0;
  /** Abandoned attempts that may still be processed. */
  abandonedCount = 0;
  /** Until then one request in flight is allowed at most, in milliseconds; -Infinity if that never began. */
  limitedUntilMs: number = Number.NEGATIVE_INFINITY;
  readonly #concurrency: number;
  readonly #adaptive: ConcurrencyLimit | undefined;
  readonly #service: ServiceTime;
  readonly #gateways: SlotSettings["gateways"];
  readonly #isPaced: () => boolean;
  readonly #observer: SlotSettings["observer"];
  /** In flight, in the order they were sent, in which they are processed. */
  #first: TakenSlot | undefined;
  #last: TakenSlot | undefined;
  #wasMeasured = false;
  /** Detour that the next request may have, since it may come from any gateway: a replica that waits is worse than one early call. */
  #detourMs = 0;
  /**
   * Slots for requests in transit, per request that is processed: one more for each reply. A round trip that was measured
   * too long makes the service time seem short, and would else queue a hundred requests before a reply shows the truth.
   */
  #inTransit = 1;
  /** End of a pause after a rejection, unless a reply ends it earlier. */
  #fullUntilMs = Number.NEGATIVE_INFINITY;

  constructor(settings: SlotSettings) {
    const { parallelism, roundTripMs, initialServiceMs, gateways, isPaced, observer } = settings;
    this.#adaptive = typeof parallelism === "number" ? undefined : parallelism;
    this.#concurrency = typeof parallelism === "number" ? parallelism : 1;
    this.#service = new ServiceTime(initialServiceMs);
    this.#gateways = gateways;
    this.#isPaced = isPaced;
    this.#observer = observer;
    this.parallelism = this.#concurrency;
    this.roundTripMs = roundTripMs;
    this.#update();
  }

  /** Counts the attempts in flight, including abandoned ones that may still be processed. */
  inFlight(nowMs: number): number {
    if (this.abandonedCount > 0) this.#prune(nowMs);
    return this.inFlightCount;
  }

  /** Allows one request in flight at most until then. */
  limitToOne(untilMs: number): void {
    this.limitedUntilMs = untilMs;
    this.#observer.changed();
  }

  /** Returns the earliest time to send the next request; Infinity while only a reply can free a slot. */
  readySinceMs(nowMs: number): number {
    if (this.abandonedCount > 0) this.#prune(nowMs);
    const { inFlightCount, slotCount } = this;
    if (this.#fullUntilMs > nowMs) return this.#fullUntilMs;
    if (inFlightCount > 0 && nowMs < this.limitedUntilMs) return this.freeWithoutReplyMs(nowMs);
    if (this.#adaptive) return inFlightCount < slotCount ? nowMs : Number.POSITIVE_INFINITY;
    if (inFlightCount >= slotCount) return this.freeWithoutReplyMs(nowMs);
    if (inFlightCount < this.#concurrency) return nowMs;
    return this.#isPaced()
      ? Math.max(nowMs, this.#nextStartMs(nowMs) - this.roundTripMs / 2 - this.#detourMs)
      : nowMs;
  }

  /**
   * Takes a slot, which `answered` or `failed` frees, or `abandoned` after a time.
   *
   * @param detourMs - one way to the gateway that sends the attempt, in milliseconds, if that is another one
   */
  send(nowMs: number, detourMs = 0): TakenSlot {
    const arrivesMs = nowMs + this.roundTripMs / 2 + detourMs;
    const changedMs = this.#detourMs + shorterDetourWeight * (detourMs - this.#detourMs);
    this.#detourMs = Math.max(detourMs, changedMs);
    const freeMs = this.#adaptive ? nowMs : this.#nextStartMs(nowMs);
    const startMs = Math.max(arrivesMs, Number.isFinite(freeMs) ? freeMs : arrivesMs);
    const before = this.#last;
    const slot: TakenSlot = {
      sentMs: nowMs,
      detourMs,
      arrivesMs,
      startMs,
      endMs: startMs + this.#service.usualMs,
      isAbandoned: false,
      before,
      after: undefined,
    };
    if (before) before.after = slot;
    else this.#first = slot;
    this.#last = slot;
    this.inFlightCount += 1;
    this.lastSentMs = nowMs;
    this.#observer.changed();
    return slot;
  }

  /** Frees a slot, and learns from the reply. @returns the time that the replica took, in milliseconds */
  answered(slot: TakenSlot, nowMs: number): number {
    const wasFull = this.inFlightCount >= this.slotCount;
    const { detourMs, sentMs, startMs } = slot;
    this.free(slot);
    this.#fullUntilMs = Number.NEGATIVE_INFINITY;
    // The reply has come within that time.
    const attemptMs = nowMs - sentMs - 2 * detourMs;
    if (attemptMs < this.roundTripMs) this.roundTripMs = Math.max(0, attemptMs);
    const { roundTripMs } = this;
    const endedMs = nowMs - roundTripMs / 2 - detourMs;
    const tookMs = Math.max(0, endedMs - startMs);
    if (this.#adaptive) {
      const ownLagMs = this.#gateways.ownLag.ms(nowMs);
      this.#adaptive.observe({ nowMs, wasFull, tookMs, roundTripMs, ownLagMs });
    }
    this.#service.observe(tookMs);
    this.#inTransit += 1;
    this.#update();
    if (!this.#adaptive) this.#beginNext(endedMs);
    return tookMs;
  }

  /** Frees a slot, and learns nothing. */
  free(slot: TakenSlot): void {
    const { before, after } = slot;
    if (before) before.after = after;
    else this.#first = after;
    if (after) after.before = before;
    else this.#last = before;
    // Nor may what has left lead to those that came after it.
    slot.before = undefined;
    slot.after = undefined;
    this.inFlightCount -= 1;
    if (slot.isAbandoned) this.abandonedCount -= 1;
    this.#observer.changed();
  }

  /**
   * Marks an attempt whose reply will not be read. The replica works on, so its slot is freed when that should be over.
   *
   * @returns when that is, in milliseconds on the clock of the events
   */
  abandoned(slot: TakenSlot, nowMs: number): number {
    if (!slot.isAbandoned) this.abandonedCount += 1;
    slot.isAbandoned = true;
    // An overdue one may never end, and no event would show it.
    slot.endMs = Math.max(slot.endMs, nowMs - this.roundTripMs / 2 - slot.detourMs);
    this.#observer.changed();
    return repliedMs(slot, this.roundTripMs);
  }

  /** Returns when the first slot is freed without a reply; Infinity if no attempt is abandoned. */
  freeWithoutReplyMs(nowMs: number): number {
    let freeMs = Number.POSITIVE_INFINITY;
    if (this.abandonedCount === 0) return freeMs;
    this.#prune(nowMs);
    for (let each = this.#first; each; each = each.after) {
      if (each.isAbandoned) freeMs = Math.min(freeMs, repliedMs(each, this.roundTripMs));
    }
    return freeMs;
  }

  /** Pauses a replica that rejected a request for want of capacity. */
  rejected({ sentMs, nowMs }: { readonly sentMs: number; readonly nowMs: number }): void {
    this.#adaptive?.onRejected({ inFlight: this.inFlightCount, sentMs, nowMs });
    this.#update();
    this.#fullUntilMs = nowMs + Math.max(this.#service.usualMs, minPauseMs);
    this.#observer.changed();
  }

  observeRoundTrip(measuredMs: number): void {
    const { roundTripMs } = this;
    if (measuredMs === roundTripMs) return;
    const isLonger = this.#wasMeasured && measuredMs > roundTripMs;
    this.roundTripMs = isLonger
      ? roundTripMs + longerWeight * (measuredMs - roundTripMs)
      : measuredMs;
    this.#wasMeasured = true;
    this.#update();
    this.#observer.changed();
  }

  /** Counts the slots again, after `gatewayCount` has changed. */
  sharingChanged(): void {
    this.#update();
    this.#observer.changed();
  }

  /** Shifts timestamps by an event-loop stall: replies of that time came earlier than they seem. */
  compensateStall(stallMs: number): void {
    for (let each = this.#first; each; each = each.after) {
      each.sentMs += stallMs;
      each.arrivesMs += stallMs;
      each.startMs += stallMs;
      each.endMs += stallMs;
    }
    this.#observer.changed();
  }

  /** Derives the slots from the limit, the service time and the round trip. */
  #update(): void {
    const { usualMs, meanMs, count } = this.#service;
    this.usualMs = usualMs;
    let slotCount: number;
    if (this.#adaptive) {
      slotCount = this.#adaptive.limit;
      this.parallelism = slotCount;
      // Slots that cover the round trip are taken during it.
      this.takenMs = meanMs + this.roundTripMs;
    } else {
      this.takenMs = meanMs;
      // One slow ping before the service time is known makes no long round trip.
      const isKnown = count >= minReplies;
      const transitMs = this.roundTripMs + 2 * this.#detourMs;
      const wanted = isKnown ? Math.ceil(transitMs / Math.max(usualMs, 0.1)) : 1;
      this.#inTransit = Math.max(1, Math.min(wanted, this.#inTransit));
      slotCount = this.#concurrency * (1 + this.#inTransit);
    }
    this.slotCount = Math.max(1, Math.floor(slotCount / this.#gateways.gatewayCount));
  }

  /** Removes abandoned attempts that the replica should be done with. */
  #prune(nowMs: number): void {
    let each = this.#first;
    while (each) {
      const { after } = each;
      if (each.isAbandoned && repliedMs(each, this.roundTripMs) <= nowMs) this.free(each);
      each = after;
    }
  }

  /** Returns when the replica could begin with the next request; Infinity if that waits for an overdue one. */
  #nextStartMs(nowMs: number): number {
    const ahead = this.inFlightCount - this.#concurrency;
    if (ahead < 0) return nowMs;
    const strayMs = this.#service.deviationMs() * maxDeviations;
    const lateMs = Math.max(this.usualMs * maxLateShare, strayMs);
    const latestMs = nowMs - this.roundTripMs / 2 - lateMs;
    return endMsAfter(this.#first, { count: this.inFlightCount, ahead, latestMs });
  }

  /** The next request that waits at the replica begins now, earlier or later than expected. */
  #beginNext(nowMs: number): void {
    const next = slotAfter(this.#first, this.#concurrency - 1);
    if (!next) return;
    next.startMs = Math.max(next.arrivesMs, nowMs);
    next.endMs = next.startMs + this.#service.usualMs;
  }
}
