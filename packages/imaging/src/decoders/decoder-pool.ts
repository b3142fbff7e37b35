import {
  type Clock,
  type FixedSizeTensor,
  float32Tensor,
  InternalError,
  OverloadedError,
  type Preprocessing,
  TooLargeError,
  UnsupportedMediaError,
} from "@tensorgate/core";
import type { ConvertedPicture } from "../convert-picture.ts";
import type { DecodeOptions } from "../open-picture.ts";
import type {
  DecodeOutcome,
  DecodeReply,
  DecodeRequest,
  RefusalMessage,
} from "./decode-message.ts";
import { type DecoderChild, decoderProcesses, type StartDecoder } from "./decoder-child.ts";
import type { DecoderOptions } from "./options.ts";

/** Decodes a picture and makes it what a model takes, in a process that it may take down. */
export type PreprocessElsewhere = (
  bytes: Uint8Array,
  preprocessing: Preprocessing,
  options: DecodeOptions,
  signal: AbortSignal,
) => Promise<FixedSizeTensor>;

/** Makes a picture one that every model reads, in a process that it may take down. */
export type ConvertElsewhere = (
  bytes: Uint8Array,
  options: DecodeOptions,
  signal: AbortSignal,
) => Promise<ConvertedPicture>;

export interface DecoderPool {
  /**
   * @returns FP32 tensor of shape `[1, heightPx, widthPx, 3]`, or in the other layout where that is asked for
   * @throws UnsupportedMediaError if it cannot be decoded, takes too long, or ends two decoders
   * @throws TooLargeError if it has more pixels than `options` say
   * @throws OverloadedError if too many wait already
   * @throws the reason of `signal` as soon as that aborts
   */
  readonly preprocess: PreprocessElsewhere;
  /** @throws what `preprocess` throws */
  readonly convert: ConvertElsewhere;
  /** Pictures that wait for a decoder. */
  readonly waitingCount: number;
  readonly processIds: readonly number[];
  /** Starts a decoder before there is a picture, so that the first one need not wait for it. */
  warm(): void;
  /** Ends the decoders, and what they were at; resolves when they are gone. */
  close(): Promise<void>;
}

export interface DecoderPoolParts {
  readonly options: Required<DecoderOptions>;
  readonly clock: Clock;
  readonly start?: StartDecoder;
}

/** When a pool with too much to do may be asked again, in milliseconds. */
const retryAfterMs = 1_000;

/** Decoders that one picture may end before it is its own fault. */
const maxDeaths = 2;

interface Job {
  readonly request: DecodeRequest;
  readonly settle: (outcome: () => DecodeOutcome) => void;
  deathCount: number;
}

interface Slot {
  child: DecoderChild | undefined;
  job: Job | undefined;
  timer: Disposable | undefined;
}

/**
 * libvips reads formats that were made by strangers, in C. A picture that makes it crash takes one of these
 * processes along and no other call; what that process was at is done again, once, elsewhere.
 */
export function decoderPool(parts: DecoderPoolParts): DecoderPool {
  const { options, clock, start = decoderProcesses() } = parts;
  const slots = Array.from(
    { length: options.processes },
    (): Slot => ({ child: undefined, job: undefined, timer: undefined }),
  );
  const waiting: Job[] = [];
  let isClosed = false;

  function pump(): void {
    for (const slot of slots) {
      if (slot.job) continue;
      const job = waiting.shift();
      if (!job) return;
      run(slot, job);
    }
  }

  function run(slot: Slot, job: Job): void {
    slot.job = job;
    slot.timer = clock.setTimer(options.timeoutMs, () => {
      job.settle(() => {
        throw tookTooLong(options.timeoutMs);
      });
      job.deathCount = maxDeaths;
      slot.child?.kill();
    });
    slot.child ??= started(slot);
    slot.child.ask(job.request);
  }

  function started(slot: Slot): DecoderChild {
    const child = start({
      onReply: (reply) => answered(slot, reply),
      onEnd: () => {
        // The end of one that was replaced is no news.
        if (slot.child === child) ended(slot);
      },
    });
    return child;
  }

  function release(slot: Slot): Job | undefined {
    const { job } = slot;
    slot.timer?.[Symbol.dispose]();
    slot.job = undefined;
    slot.timer = undefined;
    return job;
  }

  function answered(slot: Slot, reply: DecodeReply): void {
    const job = release(slot);
    job?.settle(() => accepted(reply));
    if (reply.heldBytes > options.maxMemoryBytes) {
      slot.child?.kill();
      slot.child = undefined;
    }
    pump();
  }

  function ended(slot: Slot): void {
    const job = release(slot);
    slot.child = undefined;
    if (job) {
      job.deathCount += 1;
      if (job.deathCount < maxDeaths && !isClosed) waiting.unshift(job);
      else job.settle(endedItsDecoder);
    }
    pump();
  }

  const decode = (request: DecodeRequest, signal: AbortSignal): Promise<DecodeOutcome> =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const isAnyFree = slots.some((slot) => !slot.job);
      if (isClosed || (!isAnyFree && waiting.length >= options.maxWaiting)) {
        return reject(tooManyWait());
      }
      const onAbort = () => {
        const at = waiting.indexOf(job);
        if (at !== -1) waiting.splice(at, 1);
        reject(signal.reason);
      };
      const job: Job = {
        request,
        deathCount: 0,
        settle: (outcome) => {
          signal.removeEventListener("abort", onAbort);
          try {
            resolve(outcome());
          } catch (thrown) {
            reject(thrown);
          }
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      waiting.push(job);
      pump();
    });

  return {
    preprocess: async (bytes, preprocessing, options, signal) =>
      tensorFrom(await decode({ bytes, preprocessing, options }, signal)),
    convert: async (bytes, options, signal) =>
      pictureFrom(await decode({ bytes, options }, signal)),
    get waitingCount() {
      return waiting.length;
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
      for (const job of waiting.splice(0)) job.settle(endedItsDecoder);
      const running = slots.flatMap(({ child }) => child ?? []);
      for (const child of running) child.kill();
      await Promise.all(running.map(({ ended }) => ended));
    },
  };
}

function accepted(reply: DecodeReply): DecodeOutcome {
  if (reply.kind === "refused") throw errorFrom(reply.error);
  return reply;
}

function tensorFrom(outcome: DecodeOutcome): FixedSizeTensor {
  if (outcome.kind !== "tensor") throw wrongAnswer(outcome);
  return float32Tensor(outcome.shape, outcome.values);
}

function pictureFrom(outcome: DecodeOutcome): ConvertedPicture {
  if (outcome.kind !== "picture") throw wrongAnswer(outcome);
  return outcome;
}

function wrongAnswer({ kind }: DecodeOutcome): InternalError {
  return new InternalError(new Error(`a decoder answered with a ${kind}`));
}

function errorFrom({ reason, message, hint }: RefusalMessage): Error {
  const details = hint === undefined ? {} : { hint };
  switch (reason) {
    case "unsupported-media":
      return new UnsupportedMediaError(message, details);
    case "too-large":
      return new TooLargeError(message, details);
    default:
      return new InternalError(new Error(`a decoder failed: ${message}`));
  }
}

function endedItsDecoder(): never {
  throw new UnsupportedMediaError("the picture cannot be decoded", {
    hint: "it is damaged in a way that ended its decoder",
  });
}

function tookTooLong(timeoutMs: number): UnsupportedMediaError {
  return new UnsupportedMediaError(`the picture was not decoded within ${timeoutMs} ms`, {
    hint: "send a smaller one, or one in a simpler format",
  });
}

function tooManyWait(): OverloadedError {
  return new OverloadedError("too many pictures wait to be decoded", {
    retryAfterMs,
    hint: "send it again in a moment",
  });
}
