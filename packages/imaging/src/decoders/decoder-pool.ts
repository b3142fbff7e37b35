import type { Clock, ScoringError } from "@tensorgate/core";
import type { ConvertInWorker, DecodeCall, PreprocessInWorker } from "./decode-call.ts";
import { requestCostMs } from "./decode-cost.ts";
import {
  endedItsDecoder,
  isCrash,
  noDecoder,
  refusedError,
  tookTooLong,
  tooManyWait,
} from "./decode-errors.ts";
import type { DecodeOutcome, DecodeReply, DecodeRequest } from "./decode-message.ts";
import { pictureFrom, tensorFrom } from "./decode-outcome.ts";
import {
  createDecoderStarter,
  type DecoderChild,
  type DecoderEnd,
  type StartDecoder,
} from "./decoder-child.ts";
import { emptySlot, type Job, release, type Slot, setTimeLimit } from "./decoder-slot.ts";
import { createFairQueue, type Turn } from "./fair-queue.ts";
import type { DecoderOptions } from "./options.ts";
import { createStartBackoff } from "./start-backoff.ts";

export interface DecoderPool {
  /**
   * @returns what `preprocessPicture` makes of the picture
   * @throws UnsupportedMediaError if it cannot be decoded, takes too long, or crashes two decoders
   * @throws TooLargeError if it has more pixels or longer sides than `options` say
   * @throws OverloadedError if too many wait already, the machine is short of what a decoder needs, or decoders are
   *   killed from outside or by `close`
   * @throws InternalError if decoders cannot be started
   * @throws the reason of the call's signal as soon as that aborts
   */
  readonly preprocess: PreprocessInWorker;
  /** @throws what `preprocess` throws */
  readonly convert: ConvertInWorker;
  /** Pictures that wait for a decoder. */
  readonly waitingCount: number;
  readonly processIds: readonly number[];
  /** Starts a decoder before there is a picture, so that the first one need not wait for it. */
  warm(): void;
  /** Ends the decoders and their jobs; resolves when the processes have exited. */
  close(): Promise<void>;
}

export interface DecoderPoolDeps {
  readonly options: Required<DecoderOptions>;
  readonly clock: Clock;
  readonly start?: StartDecoder;
  /** Is called for each decoder that could not be started. */
  readonly onStartFailure?: (error: ScoringError) => void;
  /** Estimates what a picture takes, in milliseconds. @throws what is wrong with a picture that need not be tried */
  readonly costOf?: (request: DecodeRequest) => number;
}

/** Decoders that one picture may end before it is its own fault. */
const maxDeaths = 2;

/** Decoders that may end through no fault of the picture until it is given up. */
const maxReturns = 4;

/**
 * Pictures that are expected to take longer, in milliseconds, leave one decoder to the others; and so do those of a caller
 * whose last one did.
 */
const longDecodeMs = 1_000;

/** Callers that are remembered for that. */
const maxSlowCallers = 1_000;

/**
 * libvips reads formats that were made by strangers, in C. A picture that makes it crash takes one of these
 * processes down and no other call; the job of that process is retried once in another one.
 */
export function createDecoderPool(deps: DecoderPoolDeps): DecoderPool {
  const { options, clock, start = createDecoderStarter(), costOf = requestCostMs } = deps;
  const slots = Array.from({ length: options.processes }, emptySlot);
  const timeLimit = { limitMs: options.timeoutMs, clock };
  const queue = createFairQueue<Job>(options);
  const backoff = createStartBackoff();
  let lastFailure: ScoringError | undefined;
  let isClosed = false;

  /** Callers whose last picture took long, whatever it was expected to take. */
  const slowCallers = new Set<string>();

  const isLong = ({ costMs, callerKey }: Turn<Job>) =>
    costMs > longDecodeMs || slowCallers.has(callerKey);

  function pump(): void {
    for (const slot of slots) {
      if (slot.turn || isClosed) continue;
      if (!slot.child && !backoff.mayStart(clock.nowMs())) continue;
      const longCount = slots.filter((each) => each.turn && isLong(each.turn)).length;
      const mayBeLong = longCount < Math.max(1, slots.length - 1);
      const turn = queue.take((each) => mayBeLong || !isLong(each));
      if (!turn) return;
      run(slot, turn);
    }
    // With no decoder running, and none to be had, every waiting picture fails.
    if (lastFailure && slots.every(({ child }) => !child)) {
      for (const { job } of queue.clear()) job.reject(lastFailure);
    }
  }

  function run(slot: Slot, turn: Turn<Job>): void {
    slot.turn = turn;
    setTimeLimit(slot, timeLimit, () => slot.child?.kill());
    slot.child ??= started(slot);
    slot.child.ask(turn.job.request);
  }

  function started(slot: Slot): DecoderChild {
    slot.isReady = false;
    // What one that was replaced still says is no news.
    const ifCurrent =
      <Args extends readonly unknown[]>(handle: (slot: Slot, ...args: Args) => void) =>
      (...args: Args) => {
        if (slot.child === child) handle(slot, ...args);
      };
    const child = start({
      onReady: ifCurrent(ready),
      onTaken: ifCurrent(taken),
      onReply: ifCurrent(answered),
      onEnd: ifCurrent(ended),
    });
    return child;
  }

  function ready(slot: Slot): void {
    slot.isReady = true;
    backoff.succeeded();
    lastFailure = undefined;
  }

  /** Until here time ran against the decoder, from here on against the picture. */
  function taken(slot: Slot): void {
    const { turn } = slot;
    if (!turn) return;
    slot.takenMs = clock.nowMs();
    setTimeLimit(slot, timeLimit, () => {
      turn.job.reject(tookTooLong(options.timeoutMs));
      turn.job.deathCount = maxDeaths;
      slot.child?.kill();
    });
  }

  const tookMs = ({ takenMs }: Slot) => (takenMs === undefined ? 0 : clock.nowMs() - takenMs);

  function settle(turn: Turn<Job>, took: number): void {
    queue.settle(turn, took);
    if (took > longDecodeMs) slowCallers.add(turn.callerKey);
    else slowCallers.delete(turn.callerKey);
    if (slowCallers.size > maxSlowCallers) slowCallers.clear();
  }

  function answered(slot: Slot, reply: DecodeReply): void {
    const took = tookMs(slot);
    const turn = release(slot);
    if (turn) settle(turn, took);
    if (reply.kind === "refused") turn?.job.reject(refusedError(reply.error));
    else turn?.job.resolve(reply);
    if (reply.heldBytes > options.maxMemoryBytes) {
      slot.child?.kill();
      slot.child = undefined;
    }
    pump();
  }

  function ended(slot: Slot, end: DecoderEnd): void {
    const { isReady, takenMs } = slot;
    const took = tookMs(slot);
    const turn = release(slot);
    slot.child = undefined;
    if (!isReady && !isClosed) couldNotStart(end);
    if (turn) {
      const isItsFault = isCrash(end) || turn.job.deathCount >= maxDeaths;
      if (takenMs !== undefined && isItsFault) died(turn);
      else returned(turn, end);
      settle(turn, took);
    }
    pump();
  }

  function couldNotStart(end: DecoderEnd): void {
    lastFailure = noDecoder(end);
    backoff.failed(clock.nowMs());
    deps.onStartFailure?.(lastFailure);
  }

  /** The decoder is gone: before the picture came to it, or because something else ended it, such as `close`. */
  function returned(turn: Turn<Job>, end: DecoderEnd): void {
    turn.job.returnCount += 1;
    if (turn.job.returnCount < maxReturns && !isClosed) putBack(turn);
    else turn.job.reject(noDecoder(end));
  }

  function died(turn: Turn<Job>): void {
    turn.job.deathCount += 1;
    if (turn.job.deathCount < maxDeaths && !isClosed) putBack(turn);
    else turn.job.reject(endedItsDecoder());
  }

  /** A caller who has gone wants it no more. */
  function putBack(turn: Turn<Job>): void {
    if (!turn.job.signal.aborted) queue.putBack(turn);
  }

  async function decode(request: DecodeRequest, call: DecodeCall): Promise<DecodeOutcome> {
    const { signal, fairnessKey = "" } = call;
    signal.throwIfAborted();
    if (isClosed) throw tooManyWait(0);
    const costMs = costOf(request);
    return new Promise((resolve, reject) => {
      const stopListening = () => signal.removeEventListener("abort", onAbort);
      const job: Job = {
        request,
        signal,
        resolve: (outcome) => {
          stopListening();
          resolve(outcome);
        },
        reject: (error) => {
          stopListening();
          reject(error);
        },
        deathCount: 0,
        returnCount: 0,
      };
      const turn = { job, callerKey: fairnessKey, costMs, arrivedMs: clock.nowMs() };
      const onAbort = () => {
        queue.remove(turn);
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      const crowdedOut = queue.push(turn);
      if (crowdedOut) crowdedOut.job.reject(tooManyWait(waitOf(crowdedOut.callerKey)));
      pump();
    });
  }

  /** How long what a caller has waiting takes without other callers, in milliseconds. */
  function waitOf(callerKey: string): number {
    return queue.waitingMs(callerKey) / slots.length;
  }

  return {
    preprocess: async (bytes, preprocessing, options, call) =>
      tensorFrom(await decode({ bytes, preprocessing, options }, call)),
    convert: async (bytes, options, call) => pictureFrom(await decode({ bytes, options }, call)),
    get waitingCount() {
      return queue.waitingCount;
    },
    get processIds() {
      return slots.flatMap(({ child }) =>
        child?.processId === undefined ? [] : [child.processId],
      );
    },
    warm: () => {
      const [slot] = slots;
      if (slot && !isClosed) slot.child ??= started(slot);
    },
    close: async () => {
      isClosed = true;
      for (const { job } of queue.clear()) job.reject(tooManyWait(0));
      const running = slots.flatMap(({ child }) => child ?? []);
      for (const child of running) child.kill();
      await Promise.all(running.map((child) => child.ended));
    },
  };
}
