import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { scoreAll } from "./score-all.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

async function allOf<Value>(outcomes: AsyncIterable<Value>): Promise<readonly Value[]> {
  const all: Value[] = [];
  for await (const outcome of outcomes) all.push(outcome);
  return all;
}

/** Inputs that come when a test gives them. */
function givenInputs() {
  const waiting: ((result: IteratorResult<number>) => void)[] = [];
  let isReturned = false;
  const inputs: AsyncIterableIterator<number> = {
    next: () => new Promise((resolve) => waiting.push(resolve)),
    return: async () => {
      isReturned = true;
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => inputs,
  };
  return {
    inputs,
    give: (value: number) => waiting.shift()?.({ done: false, value }),
    isReturned: () => isReturned,
  };
}

test("a result is handed out immediately, while the next input is long in coming", async () => {
  const { inputs, give } = givenInputs();
  const outcomes = scoreAll(inputs, { concurrency: 8 }, async (input) => input * 2);
  const first = outcomes.next();
  await settled();
  give(1);

  expect((await first).value).toEqual({ input: 1, ok: true, value: 2 });
});

test("an abort takes no more inputs, tells what was under way, and is the end", async () => {
  const controller = new AbortController();
  let taken = 0;
  function* endless() {
    for (;;) {
      taken += 1;
      yield taken;
    }
  }
  const outcomes = scoreAll(
    endless(),
    { concurrency: 2, signal: controller.signal },
    (_input, signal) =>
      new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  );
  const told = allOf(outcomes);
  await settled();
  controller.abort(new Error("the user left"));

  expect(await told).toMatchObject([
    { input: 1, ok: false, error: { message: "the user left" } },
    { input: 2, ok: false, error: { message: "the user left" } },
  ]);
  expect(taken).toBe(2);
});

test("an abort ends the wait for an input that never comes", async () => {
  const controller = new AbortController();
  const { inputs, isReturned } = givenInputs();
  const told = allOf(
    scoreAll(inputs, { concurrency: 2, signal: controller.signal }, async (input) => input),
  );
  await settled();
  controller.abort();

  expect(await told).toEqual([]);
  expect(isReturned()).toBe(true);
});

test("an aborted signal takes nothing at all", async () => {
  const signal = AbortSignal.abort();

  expect(await allOf(scoreAll([1], { concurrency: 2, signal }, async () => 1))).toEqual([]);
});

test("what the inputs throw is thrown", async () => {
  async function* broken() {
    yield 1;
    throw new Error("the disk is gone");
  }

  const told = allOf(scoreAll(broken(), { concurrency: 2 }, async (input) => input));

  await expect(told).rejects.toThrow("the disk is gone");
});

test.each([0, 1.5, Number.NaN])("a concurrency of %s is refused", async (concurrency) => {
  await expect(scoreAll([1], { concurrency }, async () => 1).next()).rejects.toThrow(RangeError);
});

test("what was handed out is freed while another input is still worked on", async () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const told: WeakRef<object>[] = [];
  function* inputs() {
    for (let count = 0; count <= 50; count += 1) yield { isSlow: count === 0 };
  }
  const outcomes = scoreAll(inputs(), { concurrency: 2 }, async ({ isSlow }) =>
    isSlow ? new Promise<never>(() => {}) : undefined,
  );
  for (let count = 0; count < 50; count += 1) {
    const { value } = await outcomes.next();
    if (value) told.push(new WeakRef(value.input));
  }
  // What a weak reference was made of stays until its turn of the event loop is over.
  await settled();
  collect();

  expect(told.filter((input) => input.deref() !== undefined).length).toBeLessThan(5);
});

test("what the inputs throw while as many are worked on as may be waits until one is done", async () => {
  const { promise: slow, resolve: finish } = Promise.withResolvers<number>();
  async function* broken() {
    yield 1;
    yield 2;
    throw new Error("the disk is gone");
  }
  const outcomes = scoreAll(broken(), { concurrency: 2 }, () => slow);
  const first = outcomes.next();
  await settled();
  finish(3);

  expect((await first).value).toMatchObject({ ok: true, value: 3 });
  expect((await outcomes.next()).value).toMatchObject({ ok: true, value: 3 });
  await expect(outcomes.next()).rejects.toThrow("the disk is gone");
});
