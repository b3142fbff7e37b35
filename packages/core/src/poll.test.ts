import { expect, test, vi } from "vitest";
import { poll } from "./poll.ts";
import { manualClock } from "./testing.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("looks an interval after the last look has ended, also after a failure", async () => {
  const clock = manualClock();
  const slow = Promise.withResolvers<void>();
  const look = vi
    .fn<() => Promise<void>>()
    .mockReturnValueOnce(slow.promise)
    .mockRejectedValue(new Error("no"));
  const polling = poll(look, { intervalMs: 10, clock });

  clock.advance(9);
  expect(look).not.toHaveBeenCalled();
  clock.advance(1);
  expect(look).toHaveBeenCalledTimes(1);
  expect(clock.pendingTimersMs()).toEqual([]);

  slow.resolve();
  await settled();
  clock.advance(10);
  await settled();
  clock.advance(10);
  expect(look).toHaveBeenCalledTimes(3);
  await settled();

  polling[Symbol.dispose]();
  expect(clock.pendingTimersMs()).toEqual([]);
});

test("a look that was going on when it ended is the last one", async () => {
  const clock = manualClock();
  const polling = poll(async () => {}, { intervalMs: 10, clock });
  clock.advance(10);

  polling[Symbol.dispose]();
  await settled();

  expect(clock.pendingTimersMs()).toEqual([]);
});
