import { IdMap } from "@tensorgate/core";
import type { ConcurrencyLimit } from "./concurrency-limit.ts";
import { createServiceTime, type OwnLag } from "./latency.ts";

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
  /** Called after every change that an event has made. */
  readonly onChange: () => void;
}

/** The slots of one replica: what is in flight there, and when it may get more. */
export interface ReplicaSlots {
  /** Requests that it processes at the same time, as far as is known. */
  readonly parallelism: number;
  /** As many as keep it busy while a reply and the next request are in transit; of shared ones the gateway's part. */
  readonly slotCount: number;
  /** Median service time, in milliseconds. */
  readonly usualMs: number;
  /** How long a request takes a slot on average, in milliseconds. */
  readonly takenMs: number;
  readonly roundTripMs: number;
  /** When the last request was sent; -Infinity before the first. */
  readonly lastSentMs: number;
  /** Counts the attempts in flight, including abandoned ones that may still be processed. */
  inFlight(nowMs: number): number;
  /** Allows one request in flight at most until then. */
  limitToOne(untilMs: number): void;
  /** When that ends, in milliseconds; -Infinity if it never began. */
  readonly limitedUntilMs: number;
  /** Returns the earliest time to send the next request; Infinity while only a reply can free a slot. */
  readySinceMs(nowMs: number): number;
  /**
   * Takes a slot. @returns when the replica should begin with the attempt
   *
   * @param detourMs - one way to the gateway that sends it, in milliseconds, if that is another one
   */
  send(attemptId: number, nowMs: number, detourMs?: number): number;
  /**
   * Frees the slot of an attempt, and learns from its reply.
   *
   * @returns the time that the replica took, in milliseconds; undefined for an unknown attempt
   */
  answered(attemptId: number, nowMs: number): number | undefined;
  /** Frees the slot of an attempt, and learns nothing. */
  failed(attemptId: number): void;
  /**
   * Marks an attempt whose reply will not be read. The replica works on, so its slot is freed when that should be over.
   *
   * @returns when that is, in milliseconds on the clock of the events
   */
  abandoned(attemptId: number, nowMs: number): number;
  /** Abandoned attempts that may still be processed. */
  readonly abandonedCount: number;
  /** Returns when the first slot is freed without a reply; Infinity if no attempt is abandoned. */
  freeWithoutReplyMs(nowMs: number): number;
  /** Pauses a replica that rejected a request for want of capacity. */
  rejected(request: { readonly sentMs: number; readonly nowMs: number }): void;
  observeRoundTrip(roundTripMs: number): void;
  /** Counts the slots again, after `gatewayCount` has changed. */
  sharingChanged(): void;
  /** Shifts timestamps by an event-loop stall: replies of that time came earlier than they seem. */
  compensateStall(stallMs: number): void;
}

interface InFlight {
  sentMs: number;
  /** One way to the replica, in milliseconds. */
  readonly detourMs: number;
  arrivesMs: number;
  /** When the replica should begin with it, and be done. */
  startMs: number;
  endMs: number;
  isAbandoned: boolean;
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

export function createReplicaSlots(settings: SlotSettings): ReplicaSlots {
  const { parallelism } = settings;
  const adaptive = typeof parallelism === "number" ? undefined : parallelism;
  const concurrency = typeof parallelism === "number" ? parallelism : 1;
  const service = createServiceTime(settings.initialServiceMs);
  /** By attempt, in the order they were sent, which is the order in which they are processed. */
  const inFlight = new IdMap<InFlight>();
  let wasMeasured = false;
  /** Detour that the next request may have, since it may come from any gateway: a replica that waits is worse than one early call. */
  let detourMs = 0;
  /**
   * Slots for requests in transit, per request that is processed: one more for each reply. A round trip that was measured
   * too long makes the service time seem short, and would else queue a hundred requests before a reply shows the truth.
   */
  let inTransit = 1;
  /** End of a pause after a rejection, unless a reply ends it earlier. */
  let fullUntilMs = Number.NEGATIVE_INFINITY;

  /** Derives the slots from the limit, the service time and the round trip. */
  function update(): void {
    slots.usualMs = service.usualMs;
    let slotCount: number;
    if (adaptive) {
      slots.parallelism = adaptive.limit;
      slotCount = adaptive.limit;
      // Slots that cover the round trip are taken during it.
      slots.takenMs = service.meanMs + slots.roundTripMs;
    } else {
      slots.takenMs = service.meanMs;
      // One slow ping before the service time is known makes no long round trip.
      const isKnown = service.count >= minReplies;
      const transitMs = slots.roundTripMs + 2 * detourMs;
      const wanted = isKnown ? Math.ceil(transitMs / Math.max(service.usualMs, 0.1)) : 1;
      inTransit = Math.max(1, Math.min(wanted, inTransit));
      slotCount = concurrency * (1 + inTransit);
    }
    slots.slotCount = Math.max(1, Math.floor(slotCount / settings.gateways.gatewayCount));
  }

  /** Removes abandoned attempts that the replica should be done with. */
  function prune(nowMs: number): void {
    for (const [attemptId, { isAbandoned, endMs, detourMs: wayMs }] of inFlight) {
      if (isAbandoned && endMs + slots.roundTripMs / 2 + wayMs <= nowMs) remove(attemptId);
    }
  }

  /** Returns when the replica could begin with the next request; Infinity if that waits for an overdue one. */
  function nextStartMs(nowMs: number): number {
    const ahead = inFlight.size - concurrency;
    if (ahead < 0) return nowMs;
    const lateMs = Math.max(service.usualMs * maxLateShare, service.deviationMs * maxDeviations);
    const latestMs = nowMs - slots.roundTripMs / 2 - lateMs;
    const ends = Float64Array.from(inFlight.values(), ({ endMs, detourMs: wayMs }) =>
      endMs + wayMs < latestMs ? Number.POSITIVE_INFINITY : endMs,
    );
    return ends.sort()[ahead] ?? Number.POSITIVE_INFINITY;
  }

  function remove(attemptId: number): void {
    if (inFlight.get(attemptId)?.isAbandoned) slots.abandonedCount -= 1;
    inFlight.delete(attemptId);
    settings.onChange();
  }

  const slots = {
    parallelism: concurrency,
    slotCount: 0,
    usualMs: 0,
    takenMs: 0,
    roundTripMs: settings.roundTripMs,
    lastSentMs: Number.NEGATIVE_INFINITY,
    abandonedCount: 0,
    limitedUntilMs: Number.NEGATIVE_INFINITY,
    inFlight: (nowMs: number) => {
      if (slots.abandonedCount > 0) prune(nowMs);
      return inFlight.size;
    },
    limitToOne: (untilMs: number) => {
      slots.limitedUntilMs = untilMs;
      settings.onChange();
    },
    readySinceMs: (nowMs: number) => {
      if (slots.abandonedCount > 0) prune(nowMs);
      const { size } = inFlight;
      if (fullUntilMs > nowMs) return fullUntilMs;
      if (size > 0 && nowMs < slots.limitedUntilMs) return slots.freeWithoutReplyMs(nowMs);
      if (adaptive) return size < slots.slotCount ? nowMs : Number.POSITIVE_INFINITY;
      if (size >= slots.slotCount) return slots.freeWithoutReplyMs(nowMs);
      if (size < concurrency) return nowMs;
      return settings.isPaced()
        ? Math.max(nowMs, nextStartMs(nowMs) - slots.roundTripMs / 2 - detourMs)
        : nowMs;
    },
    send: (attemptId: number, nowMs: number, wayMs = 0) => {
      const arrivesMs = nowMs + slots.roundTripMs / 2 + wayMs;
      detourMs = Math.max(wayMs, detourMs + shorterDetourWeight * (wayMs - detourMs));
      const freeMs = adaptive ? nowMs : nextStartMs(nowMs);
      const startMs = Math.max(arrivesMs, Number.isFinite(freeMs) ? freeMs : arrivesMs);
      const endMs = startMs + service.usualMs;
      const way = { sentMs: nowMs, arrivesMs, detourMs: wayMs };
      inFlight.set(attemptId, { ...way, startMs, endMs, isAbandoned: false });
      slots.lastSentMs = nowMs;
      settings.onChange();
      return startMs;
    },
    answered: (attemptId: number, nowMs: number) => {
      const wasFull = inFlight.size >= slots.slotCount;
      const done = inFlight.get(attemptId);
      if (!done) return undefined;
      remove(attemptId);
      fullUntilMs = Number.NEGATIVE_INFINITY;
      // The reply has come within that time.
      const attemptMs = nowMs - done.sentMs - 2 * done.detourMs;
      if (attemptMs < slots.roundTripMs) slots.roundTripMs = Math.max(0, attemptMs);
      const endedMs = nowMs - slots.roundTripMs / 2 - done.detourMs;
      const tookMs = Math.max(0, endedMs - done.startMs);
      adaptive?.observe({
        nowMs,
        wasFull,
        tookMs,
        roundTripMs: slots.roundTripMs,
        ownLagMs: settings.gateways.ownLag.ms(nowMs),
      });
      service.observe(tookMs);
      inTransit += 1;
      update();
      // The next one begins now, earlier or later than expected.
      const next = adaptive ? undefined : [...inFlight.values()][concurrency - 1];
      if (next) {
        next.startMs = Math.max(next.arrivesMs, endedMs);
        next.endMs = next.startMs + service.usualMs;
      }
      return tookMs;
    },
    failed: remove,
    abandoned: (attemptId: number, nowMs: number) => {
      const found = inFlight.get(attemptId);
      if (!found) return nowMs;
      if (!found.isAbandoned) slots.abandonedCount += 1;
      found.isAbandoned = true;
      // An overdue one may never end, and no event would show it.
      found.endMs = Math.max(found.endMs, nowMs - slots.roundTripMs / 2 - found.detourMs);
      settings.onChange();
      return found.endMs + slots.roundTripMs / 2 + found.detourMs;
    },
    freeWithoutReplyMs: (nowMs: number) => {
      let freeMs = Number.POSITIVE_INFINITY;
      if (slots.abandonedCount === 0) return freeMs;
      prune(nowMs);
      for (const { isAbandoned, endMs, detourMs: wayMs } of inFlight.values()) {
        if (isAbandoned) freeMs = Math.min(freeMs, endMs + slots.roundTripMs / 2 + wayMs);
      }
      return freeMs;
    },
    rejected: ({ sentMs, nowMs }: { readonly sentMs: number; readonly nowMs: number }) => {
      adaptive?.onRejected({ inFlight: inFlight.size, sentMs, nowMs });
      update();
      fullUntilMs = nowMs + Math.max(service.usualMs, minPauseMs);
      settings.onChange();
    },
    observeRoundTrip: (measuredMs: number) => {
      const { roundTripMs } = slots;
      if (measuredMs === roundTripMs) return;
      const isLonger = wasMeasured && measuredMs > roundTripMs;
      slots.roundTripMs = isLonger
        ? roundTripMs + longerWeight * (measuredMs - roundTripMs)
        : measuredMs;
      wasMeasured = true;
      update();
      settings.onChange();
    },
    sharingChanged: () => {
      update();
      settings.onChange();
    },
    compensateStall: (stallMs: number) => {
      for (const each of inFlight.values()) {
        each.sentMs += stallMs;
        each.arrivesMs += stallMs;
        each.startMs += stallMs;
        each.endMs += stallMs;
      }
      settings.onChange();
    },
  };
  update();
  return slots;
}
