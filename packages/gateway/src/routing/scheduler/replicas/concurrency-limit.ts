/** An adaptive concurrency limit: how many requests may be in flight at a replica, adjusted by its replies. */
export interface ConcurrencyLimit {
  /** An integer >= 1. */
  readonly limit: number;
  observe(reply: SlotReply): void;
  /** Records that the replica rejected a request for want of capacity. */
  onRejected(rejection: SlotRejection): void;
}

export interface SlotReply {
  readonly nowMs: number;
  /** Whether every slot was taken when the reply came. */
  readonly wasFull: boolean;
  /** Time that the replica took, in milliseconds, its queueing included and the round trip excluded. */
  readonly tookMs: number;
  readonly roundTripMs: number;
  /** How late the gateway itself handles events, in milliseconds. */
  readonly ownLagMs: number;
}

export interface SlotRejection {
  readonly inFlight: number;
  /** When the rejected request was sent. */
  readonly sentMs: number;
  readonly nowMs: number;
}

/** Enough to keep a server busy at first, and few enough to lose when it dies; to another region most are in transit. */
const initialLimits = { near: 10, remote: 32 };
const maxAdaptiveLimit = 256;
/** A trial ends after this many replies, but not before this time, in milliseconds. */
const trial = { replies: 60, minMs: 50 } as const;
/** Share of a trial's replies that must come while every slot is taken, for the trial to count. */
const fullShare = 0.9;
/** Minimum gain of throughput by more slots, as a share of a gain in proportion. */
const minGain = 0.35;
/** Maximum loss of throughput by fewer slots, as a share. */
const maxLoss = 0.01;
/** Factor by which each trial reduces the best rate of a limit, so that a replica that has become slower loses its old rate. */
const forgotten = 0.99;
/** Share of a reply's time above which the lag of the gateway itself decides the throughput. */
const maxLagShare = 0.2;
/** Trials that are skipped after one that did not pay; twice as many each time. */
const rest = { first: 2, max: 64 } as const;

/**
 * Creates the limit of a replica whose `parallelism` is `auto`.
 *
 * Climbs the hill of throughput: tries up to a quarter more or one fewer, and keeps what pays. More slots must raise
 * throughput; fewer must cost next to nothing, since requests in flight are lost when the replica dies.
 */
export function createAdaptiveLimit(isRemote: boolean): ConcurrencyLimit {
  return new AdaptiveLimit(isRemote ? initialLimits.remote : initialLimits.near);
}

/** A class, so that a thousand replicas share its methods. */
class AdaptiveLimit implements ConcurrencyLimit {
  limit: number;
  /** Of the trial: when it began, its replies, and how many of them came while every slot was taken. */
  #startMs = Number.NaN;
  #replies = 0;
  #full = 0;
  /** Replies per millisecond at a limit, once measured. */
  #known: { readonly limit: number; readonly rate: number } | undefined;
  #direction: 1 | -1 = 1;
  #resting = 0;
  #restLength: number = rest.first;

  constructor(limit: number) {
    this.limit = limit;
  }

  observe({ nowMs, wasFull, tookMs, roundTripMs, ownLagMs }: SlotReply): void {
    // A gateway whose own processor is the limit learns nothing about the replica: fewer slots would always pay.
    const isOwn = ownLagMs > maxLagShare * (tookMs + roundTripMs);
    if (isOwn || Number.isNaN(this.#startMs)) {
      this.#begin(nowMs);
      return;
    }
    this.#replies += 1;
    if (wasFull) this.#full += 1;
    const durationMs = nowMs - this.#startMs;
    if (this.#replies < trial.replies || durationMs < trial.minMs) return;
    const rate = this.#replies / durationMs;
    // With free slots the callers limit the throughput.
    const counts = this.#full >= fullShare * this.#replies;
    this.#begin(nowMs);
    if (counts) this.#compare(rate);
    else if (this.#known) this.limit = this.#known.limit;
  }

  onRejected({ inFlight }: SlotRejection): void {
    this.limit = Math.max(1, Math.min(this.limit, inFlight));
    this.#known = undefined;
    this.#direction = 1;
    this.#resting = this.#restLength;
  }

  #begin(nowMs: number): void {
    this.#startMs = nowMs;
    this.#replies = 0;
    this.#full = 0;
  }

  #compare(rate: number): void {
    const { limit } = this;
    const known = this.#known;
    if (!known || known.limit === limit) {
      // Callers who stay away for a moment make a rate lower, never higher.
      this.#known = { limit, rate: Math.max(rate, (known?.rate ?? 0) * forgotten) };
      if (this.#resting > 0) this.#resting -= 1;
      else this.#tryAnother();
      return;
    }
    const grown = limit / known.limit - 1;
    const gain = rate / known.rate - 1;
    const pays = grown > 0 ? gain >= minGain * grown : gain >= -maxLoss;
    if (pays) {
      this.#known = { limit, rate };
      this.#restLength = rest.first;
      this.#tryAnother();
    } else {
      this.limit = known.limit;
      this.#direction = this.#direction === 1 ? -1 : 1;
      this.#resting = this.#restLength;
      this.#restLength = Math.min(this.#restLength * 2, rest.max);
    }
  }

  #tryAnother(): void {
    const next = Math.min(Math.max(this.limit + this.#step(), 1), maxAdaptiveLimit);
    if (next === this.limit) this.#direction = this.#direction === 1 ? -1 : 1;
    this.limit = next;
  }

  /**
   * Returns the step of the next trial: upwards smaller after one that did not pay, since the top may lie between. A step
   * down is short, because requests wait while it lasts; one up costs them nothing.
   */
  #step(): number {
    if (this.#direction === -1) return -1;
    return Math.max(1, Math.floor(this.limit / (2 * this.#restLength)));
  }
}

/** Maximum slots per unit of concurrency, however far a replica is. */
const maxRemoteFactor = 64;
/** A reply that took this many times as long as the quickest was queued at the replica. */
const queuedFactor = 3;
/** Queueing below this share of the round trip is not noticed: no round trip is known better than that. */
const slackShare = 0.25;
/** Growth of the quickest time with each reply, so that an old minimum is forgotten. */
const quickestGrowth = 1.002;

/**
 * Creates the limit of a replica in another region that has no gateway: two slots per unit of concurrency at first, since
 * other gateways may send there too, and more as long as they are used and no reply was queued at the replica. With two
 * alone a device 90 ms away could serve no more than 22 requests a second.
 *
 * @param parallelism - requests that the replica processes at the same time
 */
export function createRemoteLimit(parallelism: number): ConcurrencyLimit {
  const minLimit = 2 * parallelism;
  let quickestMs = Number.POSITIVE_INFINITY;
  const remote = {
    limit: minLimit,
    observe: ({ wasFull, tookMs, roundTripMs }: SlotReply) => {
      quickestMs = Math.min(quickestMs * quickestGrowth, tookMs);
      const queueMs = tookMs - queuedFactor * quickestMs;
      if (queueMs > slackShare * roundTripMs) remote.limit = Math.max(minLimit, remote.limit - 1);
      else if (wasFull) remote.limit = Math.min(remote.limit + 1, maxRemoteFactor * parallelism);
    },
    onRejected: () => {
      remote.limit = Math.max(minLimit, remote.limit >> 1);
    },
  };
  return remote;
}

/** Enough for a third of the load of eight devices in a neighbouring region. */
const initialAimdLimit = 160;
const maxAimdLimit = 10_000;

/**
 * Creates the limit of another region's gateway, which has a queue and rejects requests when that is too long: additive
 * increase with each answer while all slots are used, multiplicative decrease with each rejection (AIMD). The wait that
 * it reports is one round trip old; that alone would send a region too much for as long.
 *
 * @see Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance"
 */
export function createAimdLimit(): ConcurrencyLimit {
  let halvedMs = Number.NEGATIVE_INFINITY;
  const aimd = {
    limit: initialAimdLimit,
    observe: ({ wasFull }: SlotReply) => {
      if (wasFull) aimd.limit = Math.min(aimd.limit + 1, maxAimdLimit);
    },
    onRejected: ({ sentMs, nowMs }: SlotRejection) => {
      // A request sent before the last rejection says nothing of the current limit.
      if (sentMs < halvedMs) return;
      halvedMs = nowMs;
      aimd.limit = Math.max(1, aimd.limit >> 1);
    },
  };
  return aimd;
}
