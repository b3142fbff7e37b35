import {
  type CallContext,
  type Clock,
  DeadlineExceededError,
  noStageTimes,
  type ScoringError,
} from "@tensorgate/core";
import { type ComparisonCounts, noComparisons } from "./machine/state.ts";

/** Longest time that a shadowed call may take, in milliseconds. */
const shadowTimeoutMs = 10_000;

/** Pairs of answers that are kept, the least alike ones. */
const maxWorstPairs = 10;

/** Longest picture that is kept, in bytes: with each of the worst pairs, if that was asked for. */
const maxKeptPictureBytes = 4 * 2 ** 20;

/** Two answers to one picture. */
export interface AnswerPair {
  readonly requestId: string;
  readonly answer: string;
  readonly shadow: string;
  /** 0 for equal scores, 1 for none in common. */
  readonly distance: number;
  /** Whether its picture is kept; absent if not. */
  readonly hasPicture?: true;
}

/** What shadowed calls said. Plain JSON. */
export interface ShadowReport {
  readonly version: string;
  readonly share: number;
  readonly compared: number;
  /** Calls that the shadow failed. */
  readonly failed: number;
  /** Calls that were not shadowed, because too many were in flight or calls were queued. */
  readonly dropped: number;
  /** Means over the comparisons; absent without any. */
  readonly top1?: number;
  readonly top5?: number;
  readonly iou?: number;
  readonly distance?: number;
  /** Means, in milliseconds. */
  readonly answerMs?: number;
  readonly shadowMs?: number;
  readonly worst: readonly AnswerPair[];
}

/** One call that may be shadowed. */
export interface Shadowed {
  readonly call: CallContext;
  /** How long its answer took. */
  readonly answerMs: number;
  readonly pictures: readonly { readonly bytes: Uint8Array }[];
  /** Scores its pictures with the shadow. */
  readonly score: (call: CallContext) => Promise<unknown>;
  /** Compares its answer with the shadow's. @returns undefined if there is nothing to compare */
  readonly compare: (shadow: unknown) => ShadowedPair | undefined;
}

export interface ShadowedPair extends Pick<AnswerPair, "answer" | "shadow"> {
  readonly sums: ComparisonCounts;
  /** Position of the picture whose two answers these are. */
  readonly index: number;
}

export interface ShadowDeps {
  readonly version: string;
  readonly share: number;
  readonly maxInFlight: number;
  /** Whether the pictures of the worst pairs are kept until the shadow ends. */
  readonly keepsPictures: boolean;
  /** Whether calls are queued: they come first. */
  readonly hasQueue: () => boolean;
  readonly onCompared: (sums: ComparisonCounts) => void;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Scores a share of the calls of a model a second time, by another version, after they were answered. */
export interface Shadow {
  readonly version: string;
  /**
   * Shadows a call, or not. It returns immediately: the shadow begins after the answer is on its way, in its own slots.
   */
  offer(shadowed: Shadowed): void;
  report(): ShadowReport;
  /** Picture of one of the worst pairs; undefined if it is not kept. */
  pictureOf(requestId: string): Uint8Array | undefined;
  close(): void;
}

export function createShadow(deps: ShadowDeps): Shadow {
  const { version, share, maxInFlight, keepsPictures, hasQueue, onCompared, clock, random } = deps;
  const closing = new AbortController();
  let inFlight = 0;
  let failed = 0;
  let dropped = 0;
  let sums = noComparisons;
  let answerMs = 0;
  let shadowMs = 0;
  let worst: WorstPair[] = [];

  async function run(shadowed: Shadowed): Promise<void> {
    const controller = new AbortController();
    const onClose = () => controller.abort(closing.signal.reason);
    closing.signal.addEventListener("abort", onClose, { once: true });
    using _timer = clock.setTimer(shadowTimeoutMs, () =>
      controller.abort(new DeadlineExceededError("the shadowed call took too long")),
    );
    const startedMs = clock.nowMs();
    try {
      const answer = await shadowed.score(shadowContext(shadowed.call, controller.signal));
      const pair = shadowed.compare(answer);
      if (!pair) {
        failed += 1;
        return;
      }
      note(pair, shadowed, clock.nowMs() - startedMs);
    } catch {
      if (!closing.signal.aborted) failed += 1;
    } finally {
      closing.signal.removeEventListener("abort", onClose);
      inFlight -= 1;
    }
  }

  function shadowContext(call: CallContext, signal: AbortSignal): CallContext {
    return {
      requestId: call.requestId,
      deadline: { atMs: clock.nowMs() + shadowTimeoutMs },
      signal,
      ...(call.caller && { caller: call.caller }),
      // One share for all shadow calls, whichever key the shadowed call had: they do not compete with that caller's own.
      fairnessKey: "shadow",
      hints: { ...call.hints, priority: "batch" },
      times: noStageTimes,
    };
  }

  function note(
    pair: ShadowedPair,
    { call, answerMs: took, pictures }: Shadowed,
    shadowTookMs: number,
  ): void {
    const { answer, shadow } = pair;
    const { compared, distance } = pair.sums;
    sums = {
      compared: sums.compared + compared,
      top1: sums.top1 + pair.sums.top1,
      top5: sums.top5 + pair.sums.top5,
      iou: sums.iou + pair.sums.iou,
      distance: sums.distance + distance,
    };
    answerMs += took * compared;
    shadowMs += shadowTookMs * compared;
    const found = { requestId: call.requestId, answer, shadow, distance: distance / compared };
    const isWorst = (worst[maxWorstPairs - 1]?.distance ?? -1) < found.distance;
    if (isWorst) {
      worst = [...worst, { ...found, ...(keepsPictures && kept(pictures[pair.index]?.bytes)) }]
        .toSorted((a, b) => b.distance - a.distance)
        .slice(0, maxWorstPairs);
    }
    onCompared(pair.sums);
  }

  return {
    version,
    offer: (shadowed) => {
      if (random() >= share) return;
      if (inFlight >= maxInFlight || hasQueue() || closing.signal.aborted) {
        dropped += 1;
        return;
      }
      inFlight += 1;
      // Its pictures are read again: their memory must not get another request meanwhile.
      if (shadowed.call.requestBytes) shadowed.call.requestBytes.mayBeRead = true;
      clock.setTimer(0, () => void run(shadowed));
    },
    report: () => {
      const { compared, ...totals } = sums;
      const mean = (total: number) => total / compared;
      return {
        version,
        share,
        compared,
        failed,
        dropped,
        ...(compared > 0 && {
          top1: mean(totals.top1),
          top5: mean(totals.top5),
          iou: mean(totals.iou),
          distance: mean(totals.distance),
          answerMs: mean(answerMs),
          shadowMs: mean(shadowMs),
        }),
        worst: worst.map(({ picture, ...told }) => ({
          ...told,
          ...(picture && { hasPicture: true as const }),
        })),
      };
    },
    pictureOf: (requestId) => worst.find((pair) => pair.requestId === requestId)?.picture,
    close: () => closing.abort(new DeadlineExceededError("the shadow has ended") as ScoringError),
  };
}

interface WorstPair extends AnswerPair {
  readonly picture?: Uint8Array;
}

/** A copy, since the memory of a request's body is used again. */
function kept(bytes: Uint8Array | undefined): { readonly picture?: Uint8Array } {
  if (!bytes || bytes.byteLength > maxKeptPictureBytes) return {};
  return { picture: Uint8Array.from(bytes) };
}
