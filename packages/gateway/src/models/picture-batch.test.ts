import { expect, test } from "vitest";
import { mapConcurrently } from "./picture-batch.ts";

test("keeps the order of the items, and never more at a time than allowed", async () => {
  let running = 0;
  let most = 0;

  const results = await mapConcurrently([1, 2, 3, 4, 5], 2, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await Promise.resolve();
    running -= 1;
    return item * 10;
  });

  expect(results).toEqual([10, 20, 30, 40, 50]);
  expect(most).toBe(2);
});

test("starts nothing more after a failure, and throws it", async () => {
  const started: number[] = [];
  const failing = mapConcurrently([1, 2, 3, 4], 1, async (item) => {
    started.push(item);
    if (item === 2) throw new Error("two");
  });

  await expect(failing).rejects.toThrow("two");
  expect(started).toEqual([1, 2]);
});
