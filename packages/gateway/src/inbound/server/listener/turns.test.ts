import { expect, test } from "vitest";
import { createTurns } from "./turns.ts";

/** Turns whose event loop is turned by hand; `read` has the numbers of the connections that had theirs. */
function turning() {
  let nowMs = 0;
  let afterPoll: (() => void) | undefined;
  const turns = createTurns({
    clock: { nowMs: () => nowMs },
    afterPoll: (callback) => {
      afterPoll = callback;
    },
  });
  const read: number[] = [];
  return {
    turns,
    read,
    wait: (number: number) => turns.wait(() => read.push(number)),
    begin: (count: number) => {
      for (let index = 0; index < count; index += 1) turns.begin();
    },
    end: (count: number) => {
      for (let index = 0; index < count; index += 1) turns.end();
    },
    /** @returns how many were read in a turn that took so long */
    turn: (ms = 5) => {
      nowMs += ms;
      const before = read.length;
      const callback = afterPoll;
      afterPoll = undefined;
      callback?.();
      return read.length - before;
    },
    get isTurning() {
      return afterPoll !== undefined;
    },
  };
}

test("below 32 requests in flight, no connection waits", () => {
  const { turns, begin, end } = turning();
  begin(31);
  expect(turns.areTaken).toBe(false);
  begin(1);
  expect(turns.areTaken).toBe(true);
  end(1);
  expect(turns.areTaken).toBe(false);
});

test("connections have their turns in the order in which they wait, and then no turn is asked for", () => {
  const loop = turning();
  loop.begin(30);
  for (let number = 1; number <= 10; number += 1) loop.wait(number);

  expect(loop.turns.waitingCount).toBe(10);
  expect(loop.turn()).toBe(8);
  loop.end(1);
  expect(loop.turn()).toBe(2);
  expect(loop.read).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(loop.isTurning).toBe(false);
});

test("while others wait, none is read out of turn", () => {
  const { turns, wait, turn } = turning();
  wait(1);
  expect(turns.areTaken).toBe(true);
  turn();
  expect(turns.areTaken).toBe(false);
});

test("a thousand that began together become few, though none stops asking", () => {
  const { turns, begin, end, wait, turn } = turning();
  begin(1_000);
  let inFlight = 1_000;
  for (let count = 0; inFlight > 32 && count < 200; count += 1) {
    end(20);
    for (let number = 0; number < 20; number += 1) wait(number);
    const read = turn();
    begin(read);
    inFlight += read - 20;
  }
  expect(inFlight).toBeLessThanOrEqual(32);
  expect(turns.areTaken).toBe(true);
});

test("requests that wait for replicas hold up no other connection", () => {
  const { begin, wait, turn } = turning();
  begin(500);
  for (let number = 0; number < 20; number += 1) wait(number);

  // Something else was done for 5 ms, then nothing: 32 a millisecond.
  expect(turn()).toBe(2);
  expect([turn(0.125), turn(0.125), turn(0.0625), turn(0.015625)]).toEqual([4, 4, 2, 0]);
  expect(turn(0.015625)).toBe(1);
});

test("at the end each has its turn, also if one comes later", () => {
  const { turns, read, begin, wait, turn } = turning();
  begin(500);
  for (let number = 0; number < 100; number += 1) wait(number);

  turns.endAll();
  expect(read).toHaveLength(100);
  expect(turns.areTaken).toBe(false);
  wait(100);
  turn();
  expect(read).toHaveLength(101);
});

/**
 * Answers in 100 turns of the event loop, each 3 ms long because of something else, to 100 callers that ask again at once,
 * two turns a call, while some requests wait for a replica.
 */
function answeredBeside(heldCount: number): number {
  let nowMs = 0;
  let scheduled: (() => void)[] = [];
  const turns = createTurns({
    clock: { nowMs: () => nowMs },
    afterPoll: (callback) => void scheduled.push(callback),
  });
  for (let count = 0; count < heldCount; count += 1) turns.begin();
  let readable = 100;
  let inFlight: number[] = [];
  let answeredCount = 0;
  for (let turn = 0; turn < 100; turn += 1) {
    nowMs += 3;
    // Poll: answers of replicas come, and the requests of connections that are read.
    const done = inFlight.filter((endTurn) => endTurn <= turn);
    inFlight = inFlight.filter((endTurn) => endTurn > turn);
    for (; readable > 0; readable -= 1) {
      turns.begin();
      inFlight.push(turn + 2);
    }
    for (const _ of done) {
      turns.end();
      answeredCount += 1;
      const read = () => {
        readable += 1;
      };
      if (turns.areTaken) turns.wait(read);
      else read();
    }
    // Check.
    const callbacks = scheduled;
    scheduled = [];
    for (const callback of callbacks) callback();
  }
  return answeredCount;
}

test("requests that wait for a replica hold up no others while the process has other work, too", () => {
  const beside = answeredBeside(40);
  expect(beside).toBeGreaterThan(0.5 * answeredBeside(0));
});
