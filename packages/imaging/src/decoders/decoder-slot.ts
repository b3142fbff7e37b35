import type { CallSignal, Clock } from "@tensorgate/core";
import type { DecodeOutcome, DecodeRequest } from "./decode-message.ts";
import type { DecoderChild } from "./decoder-child.ts";
import type { Turn } from "./fair-queue.ts";

/** One picture to decode. */
export interface Job {
  readonly request: DecodeRequest;
  readonly signal: CallSignal;
  readonly resolve: (outcome: DecodeOutcome) => void;
  readonly reject: (error: unknown) => void;
  deathCount: number;
  returnCount: number;
}

/** The place of one decoder, and what it works on. */
export interface Slot {
  child: DecoderChild | undefined;
  /** Whether the child has begun. */
  isReady: boolean;
  turn: Turn<Job> | undefined;
  /** When the child took the picture; undefined until then. */
  takenMs: number | undefined;
  timer: Disposable | undefined;
}

export function emptySlot(): Slot {
  return {
    child: undefined,
    isReady: false,
    turn: undefined,
    takenMs: undefined,
    timer: undefined,
  };
}

/**
 * Sets when `onOver` is called, in place of what was set before. In two halves: where the event loop stood still, what a
 * decoder has said meanwhile is read in between.
 */
export function setTimeLimit(
  slot: Slot,
  { limitMs, clock }: { readonly limitMs: number; readonly clock: Clock },
  onOver: () => void,
): void {
  slot.timer?.[Symbol.dispose]();
  slot.timer = clock.setTimer(limitMs / 2, () => {
    slot.timer = clock.setTimer(limitMs / 2, onOver);
  });
}

/** Ends what a slot is at. @returns what that was */
export function release(slot: Slot): Turn<Job> | undefined {
  const { turn } = slot;
  slot.timer?.[Symbol.dispose]();
  slot.turn = undefined;
  slot.takenMs = undefined;
  slot.timer = undefined;
  return turn;
}
