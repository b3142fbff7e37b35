import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { createConcurrencyLimiter } from "./concurrency.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));
const stays = () => false;

test.each([
  { maxConcurrency: 1, serviceMs: 10, finishedMs: [10, 20, 30, 40] },
  { maxConcurrency: 2, serviceMs: 10, finishedMs: [10, 10, 20, 20] },
  { maxConcurrency: Number.POSITIVE_INFINITY, serviceMs: 10, finishedMs: [10, 10, 10, 10] },
])(
  "four requests at most $maxConcurrency at a time are done after $finishedMs ms",
  async ({ maxConcurrency, serviceMs, finishedMs }) => {
    const clock = manualClock();
    const { run } = createConcurrencyLimiter({ maxConcurrency, serviceMs }, clock);
    const done: { readonly request: number; readonly atMs: number }[] = [];
    for (const request of [0, 1, 2, 3]) {
      void run(async () => request, stays).then(() => done.push({ request, atMs: clock.nowMs() }));
    }

    for (let ms = 0; ms < 40; ms += 10) {
      await settled();
      clock.advance(10);
    }
    await settled();

    expect(done).toEqual(finishedMs.map((atMs, request) => ({ request, atMs })));
  },
);

test("the service time comes on top of the work", async () => {
  const clock = manualClock();
  const work = Promise.withResolvers<string>();
  const { run } = createConcurrencyLimiter({ maxConcurrency: 1, serviceMs: 10 }, clock);
  const answer = run(() => work.promise, stays);
  clock.advance(100);
  await settled();
  expect(clock.pendingTimersMs()).toEqual([]);

  work.resolve("done");
  await settled();
  expect(clock.pendingTimersMs()).toEqual([10]);
  clock.advance(10);

  expect(await answer).toBe("done");
});

test("who went away while waiting takes no time, and neither does what fails", async () => {
  const { run } = createConcurrencyLimiter({ maxConcurrency: 1, serviceMs: 10 }, manualClock());
  const outcomes = await Promise.allSettled([
    run(() => Promise.reject(new Error("refused")), stays),
    run(
      async () => "scored",
      () => true,
    ),
  ]);

  expect(outcomes).toMatchObject([
    { reason: { message: "refused" } },
    { reason: { message: "the client closed the request" } },
  ]);
});
