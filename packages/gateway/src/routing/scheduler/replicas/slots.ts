import type { ConcurrencyLimit } from "./concurrency-limit.ts";
import { createServiceTime } from "./latency.ts";

export interface SlotSettings {
  /** Requests that a replica works on at the same time, or what learns how many may be in flight. */
  readonly parallelism: number | ConcurrencyLimit;
  /**
   * Whether a request is timed to arrive when the one before it ends. Only where nobody else sends to these replicas:
   * two that pace by what each sees are worse than none.
   */
  readonly isPaced: () => boolean;
  /** What the way there and back takes before it is measured, in milliseconds. */
  readonly roundTripMs: number;
  /** What a request is believed to take before the first one ended, in milliseconds. */
  readonly initialServiceMs: number;
}

/** What is in flight at one replica, and when it may get more. */
export interface ReplicaSlots {
  /** Requests it works on at the same time, as far as is known. */
  readonly parallelism: number;
  /** As many as keep it busy while a reply and the next request are on their way. */
  readonly slotCount: number;
  readonly usualMs: number;
  /** How long a slot is taken by a request, on average, in milliseconds. */
  readonly takenMs: number;
  readonly roundTripMs: number;
  /** When the last request was sent; -Infinity before the first. */
  readonly lastSentMs: number;
  /** Attempts sent and not yet answered, those too that nobody waits for any more. */
  inFlight(nowMs: number): number;
  /** Allows no more than one in flight until then. */
  limitToOne(untilMs: number): void;
  /** The earliest time to send the next request; Infinity while only a reply can free a slot. */
  readySinceMs(nowMs: number): number;
  /** @returns when the replica is believed to begin with it */
  send(attemptId: number, nowMs: number): number;
  /**
   * A reply has come.
   *
   * @returns what the replica took for it, in milliseconds; undefined for an attempt that is not known
   */
  answered(attemptId: number, nowMs: number): number | undefined;
  /** Nothing more will come of it, and it says nothing of how long requests take. */
  failed(attemptId: number): void;
  /**
   * Nobody waits for its reply any more, but the replica works on: the slot is free when that should be over.
   *
   * @returns when that is, in milliseconds on the clock of the events
   */
  abandoned(attemptId: number, nowMs: number): number;
  /** Attempts that nobody waits for any more, and that may still be worked on. */
  readonly abandonedCount: number;
  /** When the first slot becomes free without a reply: Infinity where every reply is waited for. */
  freeWithoutReplyMs(nowMs: number): number;
  /** The replica said that it has no room. */
  rejected(request: { readonly sentMs: number; readonly nowMs: number }): void;
  observeRoundTrip(roundTripMs: number): void;
  /** So long nobody looked: what came meanwhile came earlier than it seems, by at most this. */
  forgive(lateMs: number): void;
}

interface InFlight {
  arrivesMs: number;
  /** When the replica is believed to begin with it, and to be done. */
  startMs: number;
  endMs: number;
  isAbandoned: boolean;
}

/** By how many times the usual deviation a reply may be late before nothing more is expected of it. */
const allowedDeviations = 4;
/** The same as a share of the usual time, which is what counts where all take the same. */
const allowedLateness = 0.1;
/** Requests from which on the service time is believed. */
const minLearnt = 5;
/** How long a replica is left alone at least that said it has no room, in milliseconds. */
const minPauseMs = 5;
/** Weight of a new round trip: a shorter one is the truer, a longer one may have waited somewhere. */
const weight = { shorter: 0.5, longer: 0.05 } as const;

export function createReplicaSlots(settings: SlotSettings): ReplicaSlots {
  const { parallelism } = settings;
  const learnt = typeof parallelism === "number" ? undefined : parallelism;
  const lanes = typeof parallelism === "number" ? parallelism : 1;
  const service = createServiceTime(settings.initialServiceMs);
  /** By attempt, in the order they were sent, which is the order they are worked on. */
  const inFlight = new Map<number, InFlight>();
  let oneWayMs = settings.roundTripMs / 2;
  let wasMeasured = false;
  /** It said that it has no room: until then, or until a reply shows that there is some again. */
  let fullUntilMs = Number.NEGATIVE_INFINITY;
  let limitedUntilMs = Number.NEGATIVE_INFINITY;

  /** Works out what follows from the limit, the service time and the round trip, after one of them has changed. */
  function update(): void {
    oneWayMs = slots.roundTripMs / 2;
    slots.usualMs = service.usualMs;
    if (learnt) {
      slots.parallelism = learnt.limit;
      slots.slotCount = learnt.limit;
      // Slots that cover the way are taken for as long as that.
      slots.takenMs = service.meanMs + slots.roundTripMs;
      return;
    }
    slots.takenMs = service.meanMs;
    const onTheWay = Math.ceil(slots.roundTripMs / Math.max(service.usualMs, 0.1));
    // One slow ping before anything is known makes no long way.
    const isKnown = service.count >= minLearnt;
    slots.slotCount = lanes * (1 + (isKnown ? Math.max(1, onTheWay) : 1));
  }

  /** Those that nobody waits for leave when the replica should be done with them. */
  function prune(nowMs: number): void {
    for (const [attemptId, { isAbandoned, endMs }] of inFlight) {
      if (isAbandoned && endMs + oneWayMs <= nowMs) remove(attemptId);
    }
  }

  /** When the lane that the next request would get is believed to be free; what is overdue may take any time. */
  function laneFreeMs(nowMs: number): number {
    const ahead = inFlight.size - lanes;
    if (ahead < 0) return nowMs;
    const lateness = Math.max(
      service.usualMs * allowedLateness,
      service.deviationMs * allowedDeviations,
    );
    const latestMs = nowMs - oneWayMs - lateness;
    const ends = Float64Array.from(inFlight.values(), ({ endMs }) =>
      endMs < latestMs ? Number.POSITIVE_INFINITY : endMs,
    );
    return ends.sort()[ahead] ?? Number.POSITIVE_INFINITY;
  }

  function remove(attemptId: number): void {
    if (inFlight.get(attemptId)?.isAbandoned) slots.abandonedCount -= 1;
    inFlight.delete(attemptId);
  }

  const slots = {
    parallelism: lanes,
    slotCount: 0,
    usualMs: 0,
    takenMs: 0,
    roundTripMs: settings.roundTripMs,
    lastSentMs: Number.NEGATIVE_INFINITY,
    abandonedCount: 0,
    inFlight: (nowMs: number) => {
      if (slots.abandonedCount > 0) prune(nowMs);
      return inFlight.size;
    },
    limitToOne: (untilMs: number) => {
      limitedUntilMs = untilMs;
    },
    readySinceMs: (nowMs: number) => {
      if (slots.abandonedCount > 0) prune(nowMs);
      const { size } = inFlight;
      if (fullUntilMs > nowMs) return fullUntilMs;
      if (size > 0 && nowMs < limitedUntilMs) return slots.freeWithoutReplyMs(nowMs);
      if (learnt) return size < slots.slotCount ? nowMs : Number.POSITIVE_INFINITY;
      if (size < lanes) return nowMs;
      if (size >= slots.slotCount) return slots.freeWithoutReplyMs(nowMs);
      return settings.isPaced() ? Math.max(nowMs, laneFreeMs(nowMs) - oneWayMs) : nowMs;
    },
    send: (attemptId: number, nowMs: number) => {
      const arrivesMs = nowMs + oneWayMs;
      const freeMs = learnt ? nowMs : laneFreeMs(nowMs);
      const startMs = Math.max(arrivesMs, Number.isFinite(freeMs) ? freeMs : arrivesMs);
      const endMs = startMs + service.usualMs;
      inFlight.set(attemptId, { arrivesMs, startMs, endMs, isAbandoned: false });
      slots.lastSentMs = nowMs;
      return startMs;
    },
    answered: (attemptId: number, nowMs: number) => {
      const wasFull = inFlight.size >= slots.slotCount;
      const done = inFlight.get(attemptId);
      if (!done) return undefined;
      remove(attemptId);
      fullUntilMs = Number.NEGATIVE_INFINITY;
      const endedMs = nowMs - oneWayMs;
      const tookMs = Math.max(0, endedMs - done.startMs);
      learnt?.observe({ nowMs, wasFull, tookMs, roundTripMs: slots.roundTripMs });
      service.observe(tookMs);
      update();
      // The next one in line begins now, sooner or later than was believed.
      const next = learnt ? undefined : [...inFlight.values()][lanes - 1];
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
      // One that is overdue may never end, and nothing would tell.
      found.endMs = Math.max(found.endMs, nowMs - oneWayMs);
      return found.endMs + oneWayMs;
    },
    freeWithoutReplyMs: (nowMs: number) => {
      let freeMs = Number.POSITIVE_INFINITY;
      if (slots.abandonedCount === 0) return freeMs;
      prune(nowMs);
      for (const { isAbandoned, endMs } of inFlight.values()) {
        if (isAbandoned) freeMs = Math.min(freeMs, endMs + oneWayMs);
      }
      return freeMs;
    },
    rejected: ({ sentMs, nowMs }: { readonly sentMs: number; readonly nowMs: number }) => {
      learnt?.onRejected({ inFlight: inFlight.size, sentMs, nowMs });
      update();
      fullUntilMs = nowMs + Math.max(service.usualMs, minPauseMs);
    },
    observeRoundTrip: (measuredMs: number) => {
      const { roundTripMs } = slots;
      const share = measuredMs < roundTripMs ? weight.shorter : weight.longer;
      slots.roundTripMs = wasMeasured
        ? roundTripMs + share * (measuredMs - roundTripMs)
        : measuredMs;
      wasMeasured = true;
      update();
    },
    forgive: (lateMs: number) => {
      for (const each of inFlight.values()) {
        each.arrivesMs += lateMs;
        each.startMs += lateMs;
        each.endMs += lateMs;
      }
    },
  };
  update();
  return slots;
}
