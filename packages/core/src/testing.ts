import { type CallContext, noStageTimes } from "./call.ts";
import type { Clock, ClockAndRandom } from "./clock.ts";
import type { ResolvedRequest, ScoreResponse } from "./score.ts";
import type { DialectNames } from "./tensor-names.ts";

/** A clock that stands still until a test moves it. */
export interface ManualClock extends Clock {
  /** Moves time on, waking what falls due on the way, in order. */
  advance(durationMs: number): void;
  /** Delays of the timers that have not fired, in milliseconds from now, soonest first. */
  pendingTimersMs(): readonly number[];
}

export function manualClock(): ManualClock {
  let nowMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly wake: () => void }>();
  const soonestFirst = () => [...timers].sort((a, b) => a.atMs - b.atMs);
  return {
    nowMs: () => nowMs,
    setTimer: (delayMs, wake) => {
      const timer = { atMs: nowMs + delayMs, wake };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
    advance: (durationMs) => {
      const endMs = nowMs + durationMs;
      for (let due = soonestFirst()[0]; due && due.atMs <= endMs; due = soonestFirst()[0]) {
        timers.delete(due);
        nowMs = due.atMs;
        due.wake();
      }
      nowMs = endMs;
    },
    pendingTimersMs: () => soonestFirst().map((timer) => timer.atMs - nowMs),
  };
}

/** Nothing left to chance: time moves by hand, and every draw is the middle one. */
export function manualClockAndRandom(): ClockAndRandom & { readonly clock: ManualClock } {
  return { clock: manualClock(), random: () => 0.5 };
}

const noNames: DialectNames = {
  inputs: new Map(),
  outputs: new Map(),
  canonicalOutputs: new Map(),
  patterns: [],
};

export const aRequest: ResolvedRequest = {
  modelSpec: { name: "shapes" },
  model: {
    name: "shapes",
    revision: "1",
    residency: undefined,
    wireNames: {
      "tensorflow-serving": noNames,
      "azure-fpga": noNames,
      "azure-fpga-preview": noNames,
      "open-inference": noNames,
    },
    isIdempotent: true,
    mayHedge: false,
    isCached: true,
  },
  inputs: new Map(),
  outputFilter: [],
};

export const aResponse: ScoreResponse = {
  model: { name: "shapes", version: 1n },
  outputs: new Map(),
};

export function aCall(overrides: Partial<CallContext> = {}): CallContext {
  return {
    requestId: "test-call",
    deadline: { atMs: 1_000 },
    signal: new AbortController().signal,
    hints: {},
    times: noStageTimes,
    ...overrides,
  };
}
