/** How many requests may be in flight at one replica, where that is learnt from its replies. */
export interface ConcurrencyLimit {
  /** An integer >= 1. */
  readonly limit: number;
  observe(reply: SlotReply): void;
  /** The other side rejected a request because it has no room. */
  onRejected(rejection: SlotRejection): void;
}

export interface SlotReply {
  readonly nowMs: number;
  /** Whether every slot was taken when the reply came. */
  readonly wasFull: boolean;
  /** What the replica took for it, in milliseconds: the way left out, and its wait for a slot not. */
  readonly tookMs: number;
  readonly roundTripMs: number;
}

export interface SlotRejection {
  readonly inFlight: number;
  /** When the rejected request was sent. */
  readonly sentMs: number;
  readonly nowMs: number;
}

/** Enough for a server to begin with, and few enough to lose when it dies; of another region most are on the way. */
const initialLimits = { near: 8, remote: 32 };
const maxLearnt = 256;
/** A trial is judged by so many replies, and not before this time is over, in milliseconds. */
const trial = { replies: 60, minMs: 50 } as const;
/** A trial counts where at least this share of its replies came while every slot was taken. */
const fullShare = 0.9;
/** What more slots must bring, as a share of what they would bring if all of them counted. */
const wantedGain = 0.35;
/** What fewer slots may cost, as a share of the throughput. */
const allowedLoss = 0.02;
/** Trials that are left out after one that changed nothing; twice as many each time. */
const rest = { first: 2, max: 64 } as const;

/**
 * Creates the limit of a replica whose `parallelism` is `auto`.
 *
 * Climbs the hill of throughput: tries a quarter more or a quarter fewer, and keeps what pays. More must bring more;
 * fewer must cost next to nothing, since what is in flight is what is lost when the replica dies.
 */
export function createLearntLimit(isRemote: boolean): ConcurrencyLimit {
  let window = { startMs: Number.NaN, replies: 0, full: 0 };
  /** Replies a millisecond at `settled`, once that was measured. */
  let known: { readonly limit: number; readonly rate: number } | undefined;
  let direction: 1 | -1 = 1;
  let resting = 0;
  let restLength: number = rest.first;

  /** Smaller after a trial that did not pay: the top may lie between here and there. */
  const step = () => Math.max(1, Math.floor(learnt.limit / (2 * restLength)));

  function compare(rate: number): void {
    const { limit } = learnt;
    if (!known || known.limit === limit) {
      known = { limit, rate };
      if (resting > 0) {
        resting -= 1;
        return;
      }
      tryAnother();
      return;
    }
    const grown = limit / known.limit - 1;
    const gain = rate / known.rate - 1;
    const pays = grown > 0 ? gain >= wantedGain * grown : gain >= -allowedLoss;
    if (pays) {
      known = { limit, rate };
      restLength = rest.first;
      tryAnother();
    } else {
      learnt.limit = known.limit;
      direction = direction === 1 ? -1 : 1;
      resting = restLength;
      restLength = Math.min(restLength * 2, rest.max);
    }
  }

  function tryAnother(): void {
    const next = Math.min(Math.max(learnt.limit + direction * step(), 1), maxLearnt);
    if (next === learnt.limit) direction = direction === 1 ? -1 : 1;
    learnt.limit = next;
  }

  const learnt = {
    limit: isRemote ? initialLimits.remote : initialLimits.near,
    observe: ({ nowMs, wasFull }: SlotReply) => {
      if (Number.isNaN(window.startMs)) {
        window = { startMs: nowMs, replies: 0, full: 0 };
        return;
      }
      window.replies += 1;
      if (wasFull) window.full += 1;
      const durationMs = nowMs - window.startMs;
      if (window.replies < trial.replies || durationMs < trial.minMs) return;
      const { replies, full } = window;
      window = { startMs: nowMs, replies: 0, full: 0 };
      // With slots to spare the throughput is that of the callers.
      if (full >= fullShare * replies) compare(replies / durationMs);
      else if (known) learnt.limit = known.limit;
    },
    onRejected: ({ inFlight }: SlotRejection) => {
      learnt.limit = Math.max(1, Math.min(learnt.limit, inFlight));
      known = undefined;
      direction = 1;
      resting = restLength;
    },
  };
  return learnt;
}

/** Slots for each thing that a replica does at once, however far it is. */
const maxRemoteFactor = 64;
/** A reply that took so many times as long as the quickest waited for others at the replica. */
const queuedFactor = 3;
/** Below this share of the way nothing is called a queue: no round trip is known better than that. */
const slackShare = 0.25;
/** How fast the quickest reply is forgotten. */
const forgetting = 1.002;

/**
 * Creates the limit of a replica in another region that has no gateway: two requests for each that it works on at the
 * same time, since other gateways may send there, too; and more as long as they are used and no reply shows that it
 * waited at the replica. With two alone a device 90 ms away could do no more than 22 requests a second.
 *
 * @param parallelism - requests that the replica works on at once
 */
export function createRemoteLimit(parallelism: number): ConcurrencyLimit {
  const minLimit = 2 * parallelism;
  let quickestMs = Number.POSITIVE_INFINITY;
  const remote = {
    limit: minLimit,
    observe: ({ wasFull, tookMs, roundTripMs }: SlotReply) => {
      quickestMs = Math.min(quickestMs * forgetting, tookMs);
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

/** Enough for a third of the load of eight devices at the distance of a neighbour. */
const initialGatewayLimit = 160;
const maxGatewayLimit = 10_000;

/**
 * Creates the limit of another region's gateway, which has a queue and rejects requests when that is too long: one more
 * with each answer while all are used, half with each rejection (AIMD). What it said of its queue is old by the length
 * of the way: trusting that alone would send a region too much for a whole round trip.
 *
 * @see Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance"
 */
export function createGatewayLimit(): ConcurrencyLimit {
  let halvedMs = Number.NEGATIVE_INFINITY;
  const gateway = {
    limit: initialGatewayLimit,
    observe: ({ wasFull }: SlotReply) => {
      if (wasFull) gateway.limit = Math.min(gateway.limit + 1, maxGatewayLimit);
    },
    onRejected: ({ sentMs, nowMs }: SlotRejection) => {
      // What was sent before the last rejection was known says nothing of the limit as it is now.
      if (sentMs < halvedMs) return;
      halvedMs = nowMs;
      gateway.limit = Math.max(1, gateway.limit >> 1);
    },
  };
  return gateway;
}
