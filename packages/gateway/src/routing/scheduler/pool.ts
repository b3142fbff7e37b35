import type { Member } from "./events.ts";
import { codelIntervalMs, type Overload, overload } from "./queues/overload.ts";
import type { Rank } from "./queues/rank.ts";
import { type Waiting, type WaitingLine, waitingLine } from "./queues/request-queue.ts";
import type { HealthSettings } from "./replicas/health.ts";
import { latencyHistogram } from "./replicas/latency.ts";
import { type Replica, replica } from "./replicas/replica.ts";
import { median } from "./replicas/service-time.ts";

/** What all pools are run by. */
export interface PoolSettings extends HealthSettings {
  /** Whether that is so now: other pools may change it. */
  readonly isPaced: () => boolean;
  readonly initialServiceMs: number;
  readonly maxWaiting: number;
  /** A queue that is never shorter than this for a while is too long, in milliseconds. */
  readonly codelTargetMs: number;
  /** Least time that an attempt is given before its replica is suspected, in milliseconds. */
  readonly minTryTimeoutMs: number;
}

export interface PoolPlace {
  readonly model: string;
  readonly region: string;
  readonly isRemote: boolean;
  /** Between the gateway and the region, before it is measured, in milliseconds. */
  readonly roundTripMs: number;
}

/** The replicas of one model in one region, and who waits for them. */
export interface Pool<Item extends Waiting> extends PoolPlace {
  readonly line: WaitingLine<Item>;
  readonly overload: Overload;
  readonly replicas: ReadonlyMap<string, Replica>;
  /** Takes other members; those that stay keep what is known of them. @returns those that are new */
  setMembers(members: readonly Member[]): readonly Replica[];
  /** The replica that is ready first, of equals the one with the least to do, then the one that rested longest. */
  soonest(nowMs: number, isFit: (replica: Replica) => boolean): Slot | undefined;
  /** Way there and back to the region, in milliseconds. */
  regionRoundTripMs(): number;
  /** How long a new request would wait for a replica to begin with it, in milliseconds. */
  expectedWaitMs(rank: Rank, nowMs: number): number;
  /** Whether there is room for a new request. */
  room(request: { readonly rank: Rank; readonly isForwarded: boolean }, nowMs: number): Room;
  /** Told that a request was turned away, here and everywhere else it could have gone. */
  shed(nowMs: number): void;
  /** Whether requests are turned away: the newest come first then, since their callers are the likeliest to wait still. */
  isShedding(nowMs: number): boolean;
  /** How long the queue may be for a while before it is too long, in milliseconds. */
  targetMs(): number;
  /** How long an attempt may take before its replica is suspected, in milliseconds; Infinity where too little is known. */
  tryTimeoutMs(replica: Replica): number;
  /** Learns from a reply. @returns whether it took far longer than it would have at the peers of the replica */
  observe(replica: Replica, tookMs: number, attemptMs: number): boolean;
  /** Share of the replicas' time that is taken, 0..1, over the last requests. */
  readonly utilisation: number;
  observeArrival(nowMs: number): void;
}

/** `tight` is a region with a queue of its own: room for those who have nowhere else to go. */
export type Room = "open" | "tight" | "full";

export interface Slot {
  readonly replica: Replica;
  readonly atMs: number;
}

/** Replies of all replicas by which a single one is judged: few, so that a pool that slows down is noticed at once. */
const recentCount = 9;
/** So many replies make a tail. */
const leastReplies = 20;
const slowFactor = 3;
/** Below this nothing is called slow: a busy machine has such gaps, in milliseconds. */
const slowSlackMs = 2;
/** Weight of the newest arrival in the utilisation. */
const newest = 0.02;
/** What a peer said of its queue is old after this time, in milliseconds. */
const toldForMs = 1_000;
/** A queue may be this many targets long while it is too long; what comes then is turned away. */
const admittedTargets = 5;
/** So many are a handful of callers, each of whom waits for an answer, rather than an overload. */
const shortLine = 16;
/** The same while calls are turned away. */
const sheddingTargets = 1;
/** The same for what other regions send: its way was long, and to turn it away costs it another one. */
const forwardedTargets = 10;
/** For models that take longer than an FPGA: the target as a multiple of the service time. */
const targetServices = 2.5;

export function pool<Item extends Waiting>(place: PoolPlace, settings: PoolSettings): Pool<Item> {
  const replicas = new Map<string, Replica>();
  const line = waitingLine<Item>();
  const overloaded = overload();
  const attempts = latencyHistogram();
  const recent: number[] = [];
  let [recentMs, utilisation] = [Number.NaN, 0];
  let shedMs = Number.NEGATIVE_INFINITY;
  let known = { count: 0, tailMs: 0, medianMs: 0 };

  const serving = () => [...replicas.values()].filter(({ isServing }) => isServing);

  /** Requests a millisecond. */
  const capacity = () =>
    serving().reduce(
      (sum, { slots }) => sum + slots.parallelism / Math.max(slots.takenMs, 0.01),
      0,
    );

  function targetMs(): number {
    // The way to a region is no work of it.
    const workMs = Number.isNaN(recentMs) ? 0 : recentMs - regionRoundTripMs();
    return Math.max(settings.codelTargetMs, targetServices * workMs);
  }

  const isShedding = (nowMs: number) => overloaded.isOn && nowMs - shedMs < codelIntervalMs;

  /** Reading the histogram costs more than a request may: it changes slowly. */
  function usual() {
    const { count } = attempts;
    if (count - known.count >= 20 || count < 100) {
      known = { count, tailMs: attempts.quantileMs(0.999), medianMs: attempts.quantileMs(0.5) };
    }
    return known;
  }

  /** What the gateways of the region said of their own queue, where that is not too long ago. */
  function toldWaitMs(all: readonly Replica[], nowMs: number): number {
    const told = all.map(({ expectedWait }) => {
      if (!expectedWait) return 0;
      // A long queue is believed until something else is heard: whoever tried it would be refused after a whole way.
      const isGood = expectedWait.waitMs > targetMs() || nowMs - expectedWait.toldMs < toldForMs;
      return isGood ? expectedWait.waitMs : 0;
    });
    return Math.min(...told);
  }

  function regionRoundTripMs(): number {
    if (!place.isRemote) return 0;
    const measured = serving().map(({ slots }) => slots.roundTripMs);
    return measured.length === 0 ? place.roundTripMs : Math.min(...measured);
  }

  function expectedWaitMs(rank: Rank, nowMs: number): number {
    const all = serving();
    if (all.some(({ member }) => member.isGateway)) {
      const { slotCount, underWay } = windowOf(all, nowMs);
      const over = Math.max(0, underWay + line.aheadOf(rank) + 1 - slotCount);
      return toldWaitMs(all, nowMs) + (regionRoundTripMs() * over) / slotCount;
    }
    const perMs = capacity();
    if (perMs === 0) return Number.POSITIVE_INFINITY;
    const lanes = all.reduce((sum, { slots }) => sum + slots.parallelism, 0);
    const underWay = all.reduce((sum, { slots }) => sum + slots.inFlight(nowMs), 0);
    const ahead = line.aheadOf(rank) + underWay - lanes + 1;
    return Math.max(0, ahead) / perMs;
  }

  return {
    ...place,
    line,
    overload: overloaded,
    replicas,
    get utilisation() {
      return utilisation;
    },
    setMembers: (members) => {
      const ids = new Set(members.map(({ id }) => id));
      for (const id of replicas.keys()) if (!ids.has(id)) replicas.delete(id);
      return members.flatMap((member) => {
        if (replicas.get(member.id)?.member.parallelism === member.parallelism) return [];
        // Of several lanes the next free one is anybody's guess, and a server with lanes has a line for them all.
        const isPaced = () => settings.isPaced() && !place.isRemote && member.parallelism === 1;
        const made = replica(member, { ...settings, ...place, isPaced }, settings);
        replicas.set(member.id, made);
        return [made];
      });
    },
    soonest: (nowMs, isFit) => {
      let best: Slot | undefined;
      for (const each of replicas.values()) {
        if (!each.isServing || !isFit(each)) continue;
        const atMs = each.readySinceMs(nowMs);
        if (atMs === Number.POSITIVE_INFINITY) continue;
        const isFirst = !best || atMs < best.atMs;
        if (isFirst || (atMs === best?.atMs && isBetter(each, best.replica, nowMs))) {
          best = { replica: each, atMs };
        }
      }
      return best;
    },
    regionRoundTripMs,
    expectedWaitMs,
    room: ({ rank, isForwarded }, nowMs) => {
      if (line.length >= settings.maxWaiting) return "full";
      const all = serving();
      if (all.length > 0 && all.every(({ member }) => member.isGateway)) {
        const { slotCount, underWay } = windowOf(all, nowMs);
        // Each answer lets two go, as long as the region can do more: so many need not wait for long.
        if (underWay + line.length >= 2 * slotCount) return "full";
        const toldMs = toldWaitMs(all, nowMs);
        if (toldMs > forwardedTargets * targetMs()) return "full";
        // A region that has a queue already gains nothing by what another one cannot do.
        return toldMs > targetMs() ? "tight" : "open";
      }
      if (!overloaded.isOn || line.length < shortLine) return "open";
      // The newest come first while others are turned away, so that the rest of a long line would wait for nothing.
      const own = isShedding(nowMs) ? sheddingTargets : admittedTargets;
      const targets = isForwarded ? forwardedTargets : own;
      return expectedWaitMs(rank, nowMs) > targets * targetMs() ? "full" : "open";
    },
    targetMs,
    shed: (nowMs) => {
      shedMs = nowMs;
    },
    isShedding,
    tryTimeoutMs: ({ slots }) => {
      if (attempts.count < leastReplies) return Number.POSITIVE_INFINITY;
      const { tailMs, medianMs } = usual();
      const slowness = Math.max(1, recentMs / medianMs);
      return Math.max(
        settings.minTryTimeoutMs,
        8 * slots.usualMs + slots.roundTripMs,
        1.5 * tailMs * slowness,
      );
    },
    observe: (judged, tookMs, attemptMs) => {
      const before = recentMs;
      attempts.observe(attemptMs);
      recent.push(attemptMs);
      if (recent.length > recentCount) recent.shift();
      recentMs = median(recent);
      const peers = serving().filter((each) => each !== judged);
      if (peers.length === 0 || attempts.count < leastReplies) return false;
      const usualMs = Math.max(before, recentMs, judged.slots.usualMs);
      return tookMs > slowFactor * usualMs + slowSlackMs;
    },
    observeArrival: (nowMs) => {
      const all = serving();
      const lanes = all.reduce((sum, { slots }) => sum + slots.parallelism, 0);
      const taken = all.reduce(
        (sum, { slots }) => sum + Math.min(slots.inFlight(nowMs), slots.parallelism),
        0,
      );
      utilisation += newest * ((lanes === 0 ? 1 : taken / lanes) - utilisation);
    },
  };
}

/** How many may be under way at gateways together, and how many are. */
function windowOf(gateways: readonly Replica[], nowMs: number) {
  return {
    slotCount: gateways.reduce((sum, { slots }) => sum + slots.slotCount, 0),
    underWay: gateways.reduce((sum, { slots }) => sum + slots.inFlight(nowMs), 0),
  };
}

function isBetter({ slots: one }: Replica, { slots: other }: Replica, nowMs: number): boolean {
  const [ones, others] = [one.inFlight(nowMs), other.inFlight(nowMs)];
  return ones === others ? one.lastSentMs < other.lastSentMs : ones < others;
}
