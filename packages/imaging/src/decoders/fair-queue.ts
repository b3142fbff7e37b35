/** A job that waits for its turn, or has it. */
export interface Turn<Job> {
  readonly job: Job;
  /** Whose share it is charged to. */
  readonly callerKey: string;
  /** What it is expected to take, in milliseconds. */
  readonly costMs: number;
  readonly arrivedMs: number;
}

export interface FairQueueLimits {
  readonly maxWaiting: number;
  readonly maxWaitingPerCaller: number;
}

/**
 * Shares a few workers fairly among callers, by the time that their jobs take rather than by their number: of the
 * callers who wait, it is the turn of the one that will have had the least with its next job. So callers without a past,
 * however many, hold up no caller whose jobs are smaller. A caller who comes after a pause counts as level with the one whose
 * turn came last, so that time cannot be saved up. What a job was estimated at is charged when its turn comes, and put
 * right when it has ended.
 *
 * @see Golestani 1994, "A self-clocked fair queueing scheme for broadband applications"
 */
export interface FairQueue<Job> {
  readonly waitingCount: number;
  /** What the jobs of a caller that wait are expected to take, in milliseconds. */
  waitingMs(callerKey: string): number;
  /** @returns what has to make way, which may be the new one itself: of the caller with the most, what would come last */
  push(turn: Turn<Job>): Turn<Job> | undefined;
  /** Puts one back whose turn was for nothing. */
  putBack(turn: Turn<Job>): void;
  /** @param mayTake - whether it may be a job's turn; others are passed over */
  take(mayTake?: (turn: Turn<Job>) => boolean): Turn<Job> | undefined;
  /** @param tookMs - what one that was taken really took */
  settle(turn: Turn<Job>, tookMs: number): void;
  /** @returns whether it was there */
  remove(turn: Turn<Job>): boolean;
  /** @returns all that waited */
  clear(): readonly Turn<Job>[];
}

/** What a caller has had, and what it waits for. */
interface Share<Job> {
  /** Time it was given, in milliseconds, on the common scale. */
  hadMs: number;
  waitingMs: number;
  takenCount: number;
  readonly waiting: Turn<Job>[];
}

/**
 * Jobs of one caller come as they arrived, but small ones pass large ones: by so many milliseconds later for each that they
 * take less. A service that scores for many people is one caller, and one of these people must not hold up the others.
 */
const patience = 16;

/** Least of one caller's jobs comes first. */
const rank = <Job>({ arrivedMs, costMs }: Turn<Job>) => arrivedMs + patience * costMs;

export function createFairQueue<Job>(limits: FairQueueLimits): FairQueue<Job> {
  const shares = new Map<string, Share<Job>>();
  let waitingCount = 0;
  /** What the caller whose turn came last will have had with its job. */
  let levelMs = 0;

  function shareOf(callerKey: string): Share<Job> {
    const found = shares.get(callerKey);
    if (found) return found;
    const share = { hadMs: levelMs, waitingMs: 0, takenCount: 0, waiting: [] };
    shares.set(callerKey, share);
    return share;
  }

  function enqueue(turn: Turn<Job>): void {
    const share = shareOf(turn.callerKey);
    if (share.waiting.length + share.takenCount === 0) share.hadMs = Math.max(share.hadMs, levelMs);
    const place = share.waiting.findIndex((each) => rank(each) > rank(turn));
    share.waiting.splice(place === -1 ? share.waiting.length : place, 0, turn);
    share.waitingMs += turn.costMs;
    waitingCount += 1;
  }

  function withdraw(turn: Turn<Job>): boolean {
    const share = shares.get(turn.callerKey);
    const place = share?.waiting.indexOf(turn) ?? -1;
    if (!share || place === -1) return false;
    share.waiting.splice(place, 1);
    share.waitingMs -= turn.costMs;
    waitingCount -= 1;
    return true;
  }

  function greediest(): Share<Job> | undefined {
    let most: Share<Job> | undefined;
    for (const share of shares.values()) {
      if (share.waiting.length > 0 && !(share.waitingMs <= (most?.waitingMs ?? -1))) most = share;
    }
    return most;
  }

  /** Debts are kept while others are behind; when nothing is under way all are level. */
  function forgetSettled(): void {
    let isAnyBusy = false;
    for (const [key, { waiting, takenCount, hadMs }] of shares) {
      if (waiting.length + takenCount > 0) isAnyBusy = true;
      else if (hadMs <= levelMs) shares.delete(key);
    }
    if (isAnyBusy) return;
    shares.clear();
    levelMs = 0;
  }

  return {
    get waitingCount() {
      return waitingCount;
    },
    waitingMs: (callerKey) => shares.get(callerKey)?.waitingMs ?? 0,
    push: (turn) => {
      enqueue(turn);
      const own = shareOf(turn.callerKey);
      const tooLong =
        own.waiting.length > limits.maxWaitingPerCaller
          ? own
          : waitingCount > limits.maxWaiting
            ? greediest()
            : undefined;
      const last = tooLong?.waiting.at(-1);
      if (last) withdraw(last);
      return last;
    },
    putBack: enqueue,
    take: (mayTake = () => true) => {
      let next: { share: Share<Job>; turn: Turn<Job>; willHaveHadMs: number } | undefined;
      for (const share of shares.values()) {
        const turn = share.waiting.find(mayTake);
        if (!turn) continue;
        const willHaveHadMs = share.hadMs + turn.costMs;
        if (!next || willHaveHadMs < next.willHaveHadMs) next = { share, turn, willHaveHadMs };
      }
      if (!next) return undefined;
      const { share, turn, willHaveHadMs } = next;
      withdraw(turn);
      levelMs = Math.max(levelMs, willHaveHadMs);
      share.hadMs = willHaveHadMs;
      share.takenCount += 1;
      return turn;
    },
    settle: ({ callerKey, costMs }, tookMs) => {
      const share = shareOf(callerKey);
      share.hadMs += tookMs - costMs;
      share.takenCount -= 1;
      forgetSettled();
    },
    remove: (turn) => {
      const wasThere = withdraw(turn);
      forgetSettled();
      return wasThere;
    },
    clear: () => {
      const turns = [...shares.values()].flatMap(({ waiting }) => waiting);
      for (const turn of turns) withdraw(turn);
      forgetSettled();
      return turns;
    },
  };
}
