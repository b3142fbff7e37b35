import { float32Tensor, type Preprocessing } from "@tensorgate/core";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import type { DecoderEvents } from "./decoder-child.ts";
import { createDecoderPool } from "./decoder-pool.ts";
import { type DecoderOptions, decoderDefaults } from "./options.ts";

const preprocessing: Preprocessing = {
  resize: { kind: "warp", heightPx: 1, widthPx: 1 },
  coordinates: "half-pixel",
  channelOrder: "rgb",
  mean: [0, 0, 0],
  scale: 1,
};

/** Decoders in virtual time: a picture says in its bytes what it takes, in milliseconds, and what it is taken for. */
function simulatedPool(options: DecoderOptions = {}) {
  const clock = manualClock();
  const atWork = new Set<string>();
  const pool = createDecoderPool({
    options: { ...decoderDefaults, timeoutMs: 1e9, ...options },
    clock,
    costOf: ({ bytes }) => taskOf(bytes).expectedMs,
    start: ({ onReady, onTaken, onReply }) => {
      queueMicrotask(onReady);
      return {
        processId: 1,
        ended: Promise.resolve(),
        kill: () => {},
        ask: ({ bytes }) => {
          const { name, tookMs } = taskOf(bytes);
          queueMicrotask(onTaken);
          atWork.add(name);
          clock.setTimer(tookMs, () => {
            atWork.delete(name);
            onReply({
              kind: "tensor",
              tensor: float32Tensor([1], new Float32Array(1)),
              heldBytes: 0,
            });
          });
        },
      };
    },
  });
  const ask = (fairnessKey: string, task: Task) =>
    pool.preprocess(
      Buffer.from(JSON.stringify(task)),
      preprocessing,
      { maxPixels: 1 },
      {
        fairnessKey,
        signal: new AbortController().signal,
      },
    );
  return { pool, clock, ask, atWork };
}

interface Task {
  readonly name: string;
  readonly expectedMs: number;
  readonly tookMs: number;
}

function taskOf(bytes: Uint8Array): Task {
  return JSON.parse(Buffer.from(bytes).toString());
}

/** Moves time on and lets what follows from it happen. */
async function pass(clock: { advance(ms: number): void }, durationMs: number): Promise<void> {
  for (let ms = 0; ms < durationMs; ms += 10) {
    await Promise.resolve();
    clock.advance(10);
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  }
}

test("four callers who loop large pictures leave another his share", async () => {
  const { ask, clock } = simulatedPool();
  let isOver = false;
  const loop = async (name: string): Promise<void> => {
    while (!isOver) {
      await ask(name, { name, expectedMs: 10, tookMs: 900 }).catch(() => {});
    }
  };
  for (const key of ["a", "b", "c", "d"]) for (let count = 0; count < 8; count += 1) void loop(key);
  let answeredCount = 0;
  for (let count = 0; count < 40; count += 1) {
    void ask("modest", { name: "good", expectedMs: 10, tookMs: 10 }).then(() => {
      answeredCount += 1;
    });
    await pass(clock, 500);
  }
  await pass(clock, 2_000);
  isOver = true;

  expect(answeredCount).toBe(40);
});

test("long decodes leave one decoder to the others", async () => {
  const { ask, clock, atWork } = simulatedPool({ processes: 2 });
  for (const name of ["long 1", "long 2", "long 3"]) {
    void ask("a", { name, expectedMs: 2_000, tookMs: 2_000 });
  }
  await pass(clock, 100);
  expect([...atWork]).toEqual(["long 1"]);

  const good = ask("a", { name: "good", expectedMs: 10, tookMs: 10 });
  await pass(clock, 20);
  await good;

  expect([...atWork]).toEqual(["long 1"]);
});

test("a caller whose pictures take longer than expected leaves one decoder to the others, too", async () => {
  const { ask, clock, atWork } = simulatedPool({ processes: 2 });
  for (const name of ["1", "2", "3", "4"]) {
    void ask("a", { name: `understated ${name}`, expectedMs: 10, tookMs: 3_000 });
  }
  await pass(clock, 3_100);

  expect(atWork.size).toBe(1);
});

test("a reply that came while the event loop stood still counts", async () => {
  const late: (() => void)[] = [];
  const clock = {
    nowMs: () => 0,
    setTimer: (_: number, wake: () => void) => {
      late.push(wake);
      return { [Symbol.dispose]: () => {} };
    },
  };
  const told: DecoderEvents[] = [];
  let killedCount = 0;
  const pool = createDecoderPool({
    options: decoderDefaults,
    clock,
    costOf: () => 1,
    start: (events) => {
      told.push(events);
      const kill = () => {
        killedCount += 1;
      };
      return { processId: 1, ended: Promise.resolve(), ask: () => {}, kill };
    },
  });
  const call = { signal: new AbortController().signal };
  const asked = pool.preprocess(new Uint8Array(1), preprocessing, { maxPixels: 1 }, call);
  told[0]?.onReady();
  told[0]?.onTaken();

  // When the loop turns again, the timer comes before the message.
  late.at(-1)?.();
  told[0]?.onReply({
    kind: "tensor",
    tensor: float32Tensor([1], new Float32Array(1)),
    heldBytes: 0,
  });

  await expect(asked).resolves.toMatchObject({ shape: [1] });
  expect(killedCount).toBe(0);
});

test("a caller who floods is rejected, with when to retry, and another is not", async () => {
  const { ask, clock, pool } = simulatedPool({
    processes: 1,
    maxWaiting: 10,
    maxWaitingPerCaller: 8,
  });
  const flood = Array.from({ length: 30 }, (_, index) =>
    ask("flood", { name: `${index}`, expectedMs: 400, tookMs: 400 }),
  );
  const refused = (await Promise.allSettled(flood.slice(9))).flatMap((each) =>
    each.status === "rejected" ? [each.reason] : [],
  );
  expect(refused).toHaveLength(21);
  for (const error of refused) {
    expect(error).toMatchObject({ reason: "overloaded", retryAfterMs: 3_200 });
  }

  const others = ["x", "y", "z"].map((key) => ask(key, { name: key, expectedMs: 5, tookMs: 5 }));
  await pass(clock, 500);
  await Promise.all(others);

  expect(pool.waitingCount).toBeLessThan(8);
  await pass(clock, 10_000);
  await Promise.allSettled(flood);
});
