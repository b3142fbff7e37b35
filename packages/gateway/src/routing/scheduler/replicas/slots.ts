import { serviceTime } from "./service-time.ts";

/** How many requests may be under way, where that is learnt. */
export interface SlotLimit {
  /** An integer >= 1. */
  readonly limit: number;
  observe(reply: SlotReply): void;
  /** The other side said that so many are too many. */
  tooMany(refusal: SlotRefusal): void;
}

export interface SlotReply {
  readonly nowMs: number;
  /** Whether every slot was taken when the reply came. */
  readonly wasFull: boolean;
  /** What the replica took for it, in milliseconds: the way left out, and what it waited there not. */
  readonly tookMs: number;
  readonly roundTripMs: number;
}

export interface SlotRefusal {
  readonly inFlight: number;
  /** When what was refused had been sent. */
  readonly sentMs: number;
  readonly nowMs: number;
}

export interface SlotSettings {
  /** Requests that a replica works on at the same time, or what learns how many may be under way. */
  readonly parallelism: number | SlotLimit;
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

/** What is under way at one replica, and when it may get more. */
export interface ReplicaSlots {
  /** Attempts sent and not yet answered, those too that nobody waits for any more. */
  inFlight(nowMs: number): number;
  /** Requests it works on at the same time, as far as is known. */
  readonly parallelism: number;
  readonly slotCount: number;
  readonly usualMs: number;
  /** How long a slot is taken by a request, on average, in milliseconds. */
  readonly takenMs: number;
  readonly roundTripMs: number;
  /** When the last request was sent; -Infinity before the first. */
  readonly lastSentMs: number;
  /**
   * The earliest time to send the next request; Infinity while only a reply can free a slot.
   *
   * @param limit - slots that may be used at all
   */
  readySinceMs(nowMs: number, limit: number): number;
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
  /** When the first slot becomes free without a reply: Infinity where every reply is waited for. */
  freeWithoutReplyMs(nowMs: number): number;
  /** The replica said that what is under way is too much. */
  tooMany(refused: { readonly sentMs: number; readonly nowMs: number }): void;
  observeRoundTrip(roundTripMs: number): void;
  /** So long nobody looked: what came meanwhile came earlier than it seems, by at most this. */
  forgive(lateMs: number): void;
}

interface UnderWay {
  readonly attemptId: number;
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
const leastLearnt = 5;
/** How long a replica is left alone at least that said it has no room, in milliseconds. */
const leastPauseMs = 5;
/** Weight of a new round trip: a shorter one is the truer, a longer one may have waited somewhere. */
const weight = { shorter: 0.5, longer: 0.05 } as const;

export function replicaSlots(settings: SlotSettings): ReplicaSlots {
  const { parallelism } = settings;
  const learnt = typeof parallelism === "number" ? undefined : parallelism;
  const lanes = typeof parallelism === "number" ? parallelism : 1;
  const service = serviceTime(settings.initialServiceMs);
  /** In the order they were sent, which is the order they are worked on. */
  const underWay: UnderWay[] = [];
  let lastSentMs = Number.NEGATIVE_INFINITY;
  let roundTripMs = settings.roundTripMs;
  let wasMeasured = false;
  /** It said that it has no room: until then, or until a reply shows that there is some again. */
  let fullUntilMs = Number.NEGATIVE_INFINITY;

  const oneWayMs = () => roundTripMs / 2;

  /** As many as keep it busy while a reply and the next request are on their way. */
  function slotCount(): number {
    if (learnt) return learnt.limit;
    const onTheWay = Math.ceil(roundTripMs / Math.max(service.usualMs, 0.1));
    // One slow ping before anything is known makes no long way.
    const isKnown = service.count >= leastLearnt;
    return lanes * (1 + (isKnown ? Math.max(1, onTheWay) : 1));
  }

  /** Those that nobody waits for leave when the replica should be done with them. */
  function prune(nowMs: number): void {
    for (let at = underWay.length - 1; at >= 0; at -= 1) {
      const each = underWay[at];
      if (each?.isAbandoned && each.endMs + oneWayMs() <= nowMs) underWay.splice(at, 1);
    }
  }

  /** When the lane that the next request would get is believed to be free; what is overdue may take any time. */
  function laneFreeMs(nowMs: number): number {
    const ahead = underWay.length - lanes;
    if (ahead < 0) return nowMs;
    const lateness = Math.max(
      service.usualMs * allowedLateness,
      service.deviationMs * allowedDeviations,
    );
    const latestMs = nowMs - oneWayMs() - lateness;
    const ends = underWay.map(({ endMs }) => (endMs < latestMs ? Number.POSITIVE_INFINITY : endMs));
    return ends.sort((a, b) => a - b)[ahead] ?? Number.POSITIVE_INFINITY;
  }

  const take = (attemptId: number): UnderWay | undefined => {
    const index = underWay.findIndex((each) => each.attemptId === attemptId);
    return index === -1 ? undefined : underWay.splice(index, 1)[0];
  };

  return {
    inFlight: (nowMs) => {
      prune(nowMs);
      return underWay.length;
    },
    get parallelism() {
      return learnt ? learnt.limit : lanes;
    },
    get slotCount() {
      return slotCount();
    },
    get usualMs() {
      return service.usualMs;
    },
    get takenMs() {
      // Slots that cover the way are taken for as long as that.
      return learnt ? service.meanMs + roundTripMs : service.meanMs;
    },
    get roundTripMs() {
      return roundTripMs;
    },
    get lastSentMs() {
      return lastSentMs;
    },
    readySinceMs: (nowMs, limit) => {
      prune(nowMs);
      const { length } = underWay;
      if (fullUntilMs > nowMs) return fullUntilMs;
      if (length >= limit) return freeAfterAbandoned(underWay, oneWayMs());
      if (learnt) return length < slotCount() ? nowMs : Number.POSITIVE_INFINITY;
      if (length < lanes) return nowMs;
      if (length >= slotCount()) return freeAfterAbandoned(underWay, oneWayMs());
      return settings.isPaced() ? Math.max(nowMs, laneFreeMs(nowMs) - oneWayMs()) : nowMs;
    },
    send: (attemptId, nowMs) => {
      const arrivesMs = nowMs + oneWayMs();
      const freeMs = learnt ? nowMs : laneFreeMs(nowMs);
      const startMs = Math.max(arrivesMs, Number.isFinite(freeMs) ? freeMs : arrivesMs);
      const endMs = startMs + service.usualMs;
      underWay.push({ attemptId, arrivesMs, startMs, endMs, isAbandoned: false });
      lastSentMs = nowMs;
      return startMs;
    },
    answered: (attemptId, nowMs) => {
      const wasFull = underWay.length >= slotCount();
      const done = take(attemptId);
      if (!done) return undefined;
      fullUntilMs = Number.NEGATIVE_INFINITY;
      const endedMs = nowMs - oneWayMs();
      const tookMs = Math.max(0, endedMs - done.startMs);
      learnt?.observe({ nowMs, wasFull, tookMs, roundTripMs });
      service.observe(tookMs);
      // The next one in line begins now, sooner or later than was believed.
      const next = learnt ? undefined : underWay[lanes - 1];
      if (next) {
        next.startMs = Math.max(next.arrivesMs, endedMs);
        next.endMs = next.startMs + service.usualMs;
      }
      return tookMs;
    },
    failed: (attemptId) => void take(attemptId),
    abandoned: (attemptId, nowMs) => {
      const found = underWay.find((each) => each.attemptId === attemptId);
      if (!found) return nowMs;
      found.isAbandoned = true;
      // One that is overdue may never end, and nothing would tell.
      found.endMs = Math.max(found.endMs, nowMs - oneWayMs());
      return found.endMs + oneWayMs();
    },
    freeWithoutReplyMs: (nowMs) => {
      prune(nowMs);
      return freeAfterAbandoned(underWay, oneWayMs());
    },
    tooMany: ({ sentMs, nowMs }) => {
      learnt?.tooMany({ inFlight: underWay.length, sentMs, nowMs });
      fullUntilMs = nowMs + Math.max(service.usualMs, leastPauseMs);
    },
    observeRoundTrip: (measuredMs) => {
      const share = measuredMs < roundTripMs ? weight.shorter : weight.longer;
      roundTripMs = wasMeasured ? roundTripMs + share * (measuredMs - roundTripMs) : measuredMs;
      wasMeasured = true;
    },
    forgive: (lateMs) => {
      for (const each of underWay) {
        each.arrivesMs += lateMs;
        each.startMs += lateMs;
        each.endMs += lateMs;
      }
    },
  };
}

/** When the first slot becomes free without anybody telling: Infinity where every reply is waited for. */
function freeAfterAbandoned(underWay: readonly UnderWay[], oneWayMs: number): number {
  const ends = underWay.filter((each) => each.isAbandoned).map(({ endMs }) => endMs + oneWayMs);
  return Math.min(Number.POSITIVE_INFINITY, ...ends);
}
