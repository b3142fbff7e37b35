import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createFairQueue, type Turn } from "./fair-queue.ts";

const roomy = { maxWaiting: 1_000_000, maxWaitingPerCaller: 1_000_000 };

function turnOf(callerKey: string, costMs: number, arrivedMs = 0): Turn<string> {
  return { job: `${callerKey}${costMs}`, callerKey, costMs, arrivedMs };
}

/** Takes all that waits, one at a time, each taking what it was expected to. */
function order(queue: ReturnType<typeof createFairQueue<string>>): readonly string[] {
  const callers: string[] = [];
  for (;;) {
    const turn = queue.take();
    if (!turn) return callers;
    callers.push(turn.callerKey);
    queue.settle(turn, turn.costMs);
  }
}

test("one caller's jobs come as they arrived", () => {
  const queue = createFairQueue<number>(roomy);
  for (const job of [1, 2, 3]) queue.push({ job, callerKey: "a", costMs: 10, arrivedMs: job });

  expect([1, 2, 3].map(() => queue.take()?.job)).toEqual([1, 2, 3]);
  expect(queue.take()).toBeUndefined();
});

test("callers take turns by what their jobs cost, not by how many they are", () => {
  const queue = createFairQueue<string>(roomy);
  for (let count = 0; count < 3; count += 1) queue.push(turnOf("large", 100));
  for (let count = 0; count < 30; count += 1) queue.push(turnOf("small", 10));

  const callers = order(queue);

  expect(callers.slice(0, 11).filter((caller) => caller === "small").length).toBeGreaterThan(8);
  expect(callers.slice(0, 24).filter((caller) => caller === "large").length).toBeGreaterThan(1);
});

test("what a job really took is charged to its caller", () => {
  const queue = createFairQueue<string>(roomy);
  for (let count = 0; count < 20; count += 1) {
    queue.push(turnOf("understated", 1));
    queue.push(turnOf("honest", 1));
  }
  let understatedCount = 0;
  for (let count = 0; count < 20; count += 1) {
    const turn = queue.take() as Turn<string>;
    if (turn.callerKey === "understated") understatedCount += 1;
    queue.settle(turn, turn.callerKey === "understated" ? 1_000 : 1);
  }

  expect(understatedCount).toBe(1);
});

test("a small job of a caller passes its large ones, which wait no longer than sixteen times what they take", () => {
  const queue = createFairQueue<string>(roomy);
  const large = turnOf("a", 100, 0);
  queue.push(large);
  queue.push(turnOf("a", 1, 50));
  queue.push(turnOf("a", 2, 5_000));

  const jobs = [1, 2, 3].map(() => queue.take()?.job);

  expect(jobs).toEqual(["a1", "a100", "a2"]);
});

test("jobs that may not be taken are passed over", () => {
  const queue = createFairQueue<string>(roomy);
  queue.push(turnOf("a", 100));
  queue.push(turnOf("b", 10, 1));

  const isSmall = ({ costMs }: Turn<string>) => costMs <= 50;

  expect(queue.take(isSmall)?.job).toBe("b10");
  expect(queue.take(isSmall)).toBeUndefined();
  expect(queue.take()?.job).toBe("a100");
});

test("the job of the caller with the most makes way for another caller's", () => {
  const queue = createFairQueue<string>({ maxWaiting: 4, maxWaitingPerCaller: 4 });
  for (let count = 0; count < 4; count += 1) {
    expect(queue.push(turnOf("flood", 10, count))).toBeUndefined();
  }

  expect(queue.push(turnOf("modest", 10, 9))).toMatchObject({ callerKey: "flood", arrivedMs: 3 });
  expect(queue.push(turnOf("flood", 10, 10))).toMatchObject({ arrivedMs: 10 });
  expect(queue.waitingCount).toBe(4);
});

test("one caller has no more than its own limit, however much room there is", () => {
  const queue = createFairQueue<string>({ maxWaiting: 100, maxWaitingPerCaller: 2 });
  queue.push(turnOf("a", 10, 0));
  queue.push(turnOf("a", 500, 1));

  expect(queue.push(turnOf("a", 1, 2))).toMatchObject({ job: "a500" });
  expect(queue.waitingCount).toBe(2);
  expect(queue.waitingMs("a")).toBe(11);
});

test("what was removed is not taken, and what was put back is", () => {
  const queue = createFairQueue<string>(roomy);
  const first = turnOf("a", 10);
  const second = turnOf("b", 10);
  queue.push(first);
  queue.push(second);

  expect(queue.remove(first)).toBe(true);
  expect(queue.remove(first)).toBe(false);
  const taken = queue.take() as Turn<string>;
  queue.putBack(taken);
  queue.settle(taken, 5);

  expect(queue.take()).toBe(second);
  expect(queue.waitingCount).toBe(0);
});

test("ten thousand callers, one after the other, leave nothing behind that holds up the next", () => {
  const queue = createFairQueue<string>(roomy);
  for (let count = 0; count < 10_000; count += 1) {
    queue.push(turnOf(`caller ${count}`, 1 + (count % 7), count));
    const turn = queue.take() as Turn<string>;
    queue.settle(turn, 10);
  }

  queue.push(turnOf("a", 1));
  queue.push(turnOf("b", 1, 1));

  expect(order(queue)).toEqual(["a", "b"]);
});

interface Flood {
  /** What its jobs are expected to take, one after the other, in milliseconds. */
  readonly costsMs: readonly number[];
  /** How many times as long they really take. */
  readonly factor: number;
}

/**
 * Some callers always have more waiting; one sends a job each time that its last one was answered and `pauseMs` have gone by.
 *
 * @returns how long each of its jobs waited, in milliseconds
 */
function waitsOfModest(floods: readonly Flood[], { workers, pauseMs, costMs }: Modest) {
  const queue = createFairQueue<string>({ maxWaiting: 10_000, maxWaitingPerCaller: 1_000 });
  const running: {
    readonly turn: Turn<string>;
    readonly endMs: number;
    readonly tookMs: number;
  }[] = [];
  const sent = floods.map(() => 0);
  const waitsMs: number[] = [];
  let nextModestMs = 0;
  let nowMs = 0;
  const fill = () => {
    floods.forEach(({ costsMs }, index) => {
      while (queue.waitingMs(`flood ${index}`) < 3 * Math.max(...costsMs)) {
        const place = (sent[index] as number) % costsMs.length;
        sent[index] = (sent[index] as number) + 1;
        queue.push(turnOf(`flood ${index}`, costsMs[place] as number, nowMs));
      }
    });
  };
  while (waitsMs.length < 20) {
    fill();
    if (nowMs >= nextModestMs) {
      expect(queue.push(turnOf("modest", costMs, nowMs))?.callerKey).not.toBe("modest");
      nextModestMs = Number.POSITIVE_INFINITY;
    }
    while (running.length < workers) {
      const turn = queue.take();
      if (!turn) break;
      const flood = floods.find((_, index) => turn.callerKey === `flood ${index}`);
      const tookMs = turn.costMs * (flood?.factor ?? 1);
      if (!flood) waitsMs.push(nowMs - turn.arrivedMs);
      running.push({ turn, tookMs, endMs: nowMs + tookMs });
    }
    running.sort((a, b) => a.endMs - b.endMs);
    const done = running[0];
    if (done && done.endMs <= nextModestMs) {
      running.shift();
      nowMs = done.endMs;
      queue.settle(done.turn, done.tookMs);
      if (done.turn.callerKey === "modest") nextModestMs = nowMs + pauseMs;
    } else nowMs = nextModestMs;
  }
  return waitsMs;
}

interface Modest {
  readonly workers: number;
  readonly pauseMs: number;
  readonly costMs: number;
}

describe("whatever others send", () => {
  test("a caller with modest load waits for what is at work and one job of each of the others, at most", () => {
    const flood = fc.record({
      costsMs: fc.array(fc.integer({ min: 20, max: 1_000 }), { minLength: 1, maxLength: 5 }),
      factor: fc.constantFrom(0.5, 1, 5),
    });
    fc.assert(
      fc.property(
        fc.array(flood, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 100 }),
        (floods, workers, costMs) => {
          // No more than its share of the workers.
          const pauseMs = (costMs * (floods.length + 1)) / workers;
          const longestMs = floods.map(
            ({ costsMs, factor }) => Math.max(...costsMs) * Math.max(1, factor),
          );
          const oneOfEachMs = longestMs.reduce((sum, each) => sum + each, 0) / workers;

          const waitsMs = waitsOfModest(floods, { workers, pauseMs, costMs });

          expect(waitsMs.length).toBe(20);
          expect(Math.max(...waitsMs)).toBeLessThanOrEqual(
            Math.max(...longestMs) + oneOfEachMs + costMs,
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  test("a hundred callers with small jobs share with one that has large ones", () => {
    const queue = createFairQueue<string>(roomy);
    for (let count = 0; count < 10; count += 1) queue.push(turnOf("large", 1_000, 0));
    for (let caller = 0; caller < 100; caller += 1) queue.push(turnOf(`small ${caller}`, 10, 1));

    const callers = order(queue);

    expect(callers.indexOf("large")).toBe(100);
  });

  test("hundreds of callers with a large job each hold up none whose jobs are small", () => {
    const queue = createFairQueue<string>(roomy);
    let sentCount = 0;
    const arrive = () => void queue.push(turnOf(`address ${sentCount++}`, 400, sentCount));
    for (let count = 0; count < 200; count += 1) arrive();
    const before: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      queue.push(turnOf("modest", 2, 1_000));
      for (let taken = 0; taken < 1_000; taken += 1) {
        const turn = queue.take() as Turn<string>;
        queue.settle(turn, turn.costMs);
        arrive();
        if (turn.callerKey !== "modest") continue;
        before.push(taken);
        break;
      }
    }

    expect(before).toEqual(Array(20).fill(0));
  });

  test("a large job has its turn however many callers come with small ones", () => {
    const queue = createFairQueue<string>(roomy);
    queue.push(turnOf("large", 400));
    let smallCount = 0;
    for (let caller = ""; caller !== "large" && smallCount < 1_000; smallCount += 1) {
      queue.push(turnOf(`address ${smallCount}`, 4, smallCount));
      const turn = queue.take() as Turn<string>;
      queue.settle(turn, turn.costMs);
      caller = turn.callerKey;
    }

    // As many as take as long as it does.
    expect(smallCount).toBeLessThanOrEqual(101);
  });
});
