// Sends requests from its own process, so that neither gateway nor replicas slow it down.
import { seededRandom } from "../../fuzz/mutate.ts";
import { answerParent } from "../answer-parent.ts";
import { sharedNowMs } from "../shared-clock.ts";
import { openCaller } from "./caller.ts";
import type { Arrivals, LoadCommands, LoadPlan } from "./commands.ts";
import { openTally, type Tally } from "./tally.ts";

/** One load from its first request to its last answer. */
interface Run {
  readonly tally: Tally;
  readonly sentCount: number;
  readonly finished: Promise<void>;
  reached(sentCount: number): Promise<number>;
  release(): void;
}

let runCount = 0;
let current: Run | undefined;

function startRun(plan: LoadPlan): Run {
  runCount += 1;
  const prefix = `${process.pid}-${runCount}`;
  const caller = openCaller(plan);
  const tally = openTally();
  const marks: { readonly sentCount: number; readonly resolve: (atMs: number) => void }[] = [];
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  let sentCount = 0;
  let isReleased = false;
  const mayEnd = () => isReleased && sentCount >= plan.requests;

  function send(intendedAtMs: number, onEnd: () => void): void {
    sentCount += 1;
    tally.left(sharedNowMs() - intendedAtMs);
    const requestId = `${prefix}-${sentCount}`;
    for (const mark of marks) if (mark.sentCount === sentCount) mark.resolve(sharedNowMs());
    caller.call(requestId, (end) => {
      tally.ended(requestId, intendedAtMs, { end, nowMs: sharedNowMs() });
      onEnd();
    });
  }

  function endIfDone(): void {
    if (!mayEnd() || tally.endedCount < sentCount) return;
    caller.close();
    finish();
  }

  arrive(plan.arrivals, { send, mayEnd, endIfDone });
  return {
    tally,
    get sentCount() {
      return sentCount;
    },
    finished,
    reached: (count) =>
      sentCount >= count
        ? Promise.resolve(sharedNowMs())
        : new Promise((resolve) => marks.push({ sentCount: count, resolve })),
    release: () => {
      isReleased = true;
      endIfDone();
    },
  };
}

interface Sending {
  send(intendedAtMs: number, onEnd: () => void): void;
  mayEnd(): boolean;
  endIfDone(): void;
}

function arrive(arrivals: Arrivals, { send, mayEnd, endIfDone }: Sending): void {
  if (arrivals.kind === "closed") {
    const next = () => {
      if (mayEnd()) return endIfDone();
      send(sharedNowMs(), next);
    };
    for (let caller = 0; caller < arrivals.callers; caller += 1) next();
    return;
  }
  const random = seededRandom(arrivals.seed);
  const gapMs = () => (-Math.log(1 - random()) * 1_000) / arrivals.perSecond;
  let nextAtMs = sharedNowMs() + gapMs();
  const turn = () => {
    const nowMs = sharedNowMs();
    while (nextAtMs <= nowMs) {
      if (mayEnd()) return endIfDone();
      send(nextAtMs, endIfDone);
      nextAtMs += gapMs();
    }
    setTimeout(turn, Math.max(1, nextAtMs - nowMs));
  };
  turn();
}

function running(): Run {
  if (!current) throw new Error("no load was started");
  return current;
}

answerParent<LoadCommands>({
  start: (plan) => {
    current = startRun(plan);
  },
  reached: (sentCount) => running().reached(sentCount),
  release: () => running().release(),
  finished: async () => {
    const run = running();
    await run.finished;
    return run.tally.summary(run.sentCount);
  },
  latencies: (span) => running().tally.latencies(span),
  acknowledged: () => running().tally.acknowledged,
});
