import { type Clock, type ClockAndRandom, maxTimerDelayMs, startLongTimer } from "@tensorgate/core";

/** How much later than asked a timer may fire, in milliseconds; never earlier. */
const tickMs = 25;
/** 102 seconds. */
const slotCount = 4_096;
/** Shorter ones would be late by more than one part in forty. */
const minDelayMs = 1_000;
const maxDelayMs = (slotCount - 1) * tickMs;
/** A timer of the platform that is this late was lost: with the fake clock of a test, for example. */
const maxLateTicks = 400;

/**
 * Starts timers of 1 to 100 seconds as entries of a hashed wheel, with one timer of the platform for all of them; others
 * as timers of the platform.
 *
 * Every call has several timers of seconds that are disposed of within milliseconds: as entries they cost a few
 * assignments and one small object each.
 *
 * @param platform - `nowMs`, and timers that are exact
 * @see George Varghese, Tony Lauck, "Hashed and Hierarchical Timing Wheels", scheme 6
 */
export function createTimerWheel(platform: Clock): Clock["setTimer"] {
  const slots = Array.from({ length: slotCount }, () => new Entry(0, () => {}));
  /** Of the earliest entry; `Infinity` if the timer of the platform is not running. */
  let armedTick = Number.POSITIVE_INFINITY;
  let armed: Disposable | undefined;

  function arm(tick: number): void {
    armed?.[Symbol.dispose]();
    armedTick = tick;
    armed = platform.setTimer(Math.max(0, tick * tickMs - platform.nowMs()), fire);
  }

  function fire(): void {
    let tick = armedTick;
    const last = Math.floor(platform.nowMs() / tickMs);
    const end = Math.min(last + 1, tick + slotCount);
    armedTick = Number.POSITIVE_INFINITY;
    armed = undefined;
    try {
      for (; tick < end; tick += 1) wakeDue(slots[tick % slotCount] as Entry, last);
      tick = last + 1;
    } finally {
      // If a callback threw, the others of its slot are still due.
      armNext(tick);
    }
  }

  /** Arms the timer of the platform for the first entry. @param from - no entry is of an earlier tick */
  function armNext(from: number): void {
    const end = Math.min(from + slotCount, armedTick);
    let tick = from;
    while (tick < end && slots[tick % slotCount]?.next === slots[tick % slotCount]) tick += 1;
    if (tick < end) arm(tick);
  }

  return (delayMs, wake) => {
    if (!(delayMs >= minDelayMs && delayMs <= maxDelayMs)) return platform.setTimer(delayMs, wake);
    const nowMs = platform.nowMs();
    const tick = Math.ceil((nowMs + delayMs) / tickMs);
    const entry = new Entry(tick, wake, slots[tick % slotCount]);
    if (tick < armedTick) arm(tick);
    else if (nowMs / tickMs > armedTick + maxLateTicks) arm(armedTick);
    return entry;
  };
}

/** A timer in the list of its slot, which ends in itself. A class, so that entries share their methods. */
class Entry implements Disposable {
  readonly tick: number;
  readonly wake: () => void;
  next: Entry;
  previous: Entry;

  /** @param slot - the entry before which it is inserted; without one it is its own list */
  constructor(tick: number, wake: () => void, slot?: Entry) {
    this.tick = tick;
    this.wake = wake;
    this.next = slot ?? this;
    this.previous = slot?.previous ?? this;
    this.previous.next = this;
    this.next.previous = this;
  }

  insertBefore(other: Entry): void {
    this.next = other;
    this.previous = other.previous;
    other.previous.next = this;
    other.previous = this;
  }

  [Symbol.dispose](): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.next = this;
    this.previous = this;
  }
}

/** Wakes the entries of a slot that are due; callbacks may dispose of others. */
function wakeDue(slot: Entry, last: number): void {
  // Those that are not due yet move behind an entry that ends the pass.
  const end = new Entry(0, () => {}, slot);
  try {
    for (let entry = slot.next; entry !== end; entry = slot.next) {
      entry[Symbol.dispose]();
      if (entry.tick <= last) entry.wake();
      else entry.insertBefore(slot);
    }
  } finally {
    end[Symbol.dispose]();
  }
}

const exact: Clock = {
  nowMs: () => performance.now(),
  setTimer: function setTimer(delayMs, wake) {
    if (delayMs > maxTimerDelayMs) return startLongTimer(setTimer, delayMs, wake);
    const timer = setTimeout(wake, delayMs).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** The real ones. Handed in at the top, so that nothing below knows them. */
export const systemClockAndRandom: ClockAndRandom = {
  clock: { nowMs: exact.nowMs, setTimer: createTimerWheel(exact) },
  random: Math.random,
};
