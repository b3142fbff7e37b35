import { expect, test } from "vitest";
import { createRequestQueue, rankOf, type Waiting } from "./request-queue.ts";

const critical = rankOf({ priority: "critical", isForwarded: false });
const normal = rankOf({ priority: "normal", isForwarded: false });
const forwarded = rankOf({ priority: "normal", isForwarded: true });
const batch = rankOf({ priority: "batch", isForwarded: false });

function lineOf(...items: readonly (readonly [id: number, rank: number])[]) {
  const line = createRequestQueue<Waiting>();
  for (const [id, rank] of items) line.add({ id, rank, sinceMs: id });
  return line;
}

const anyone = () => true;

test("the higher class comes first, and in each the one that came first", () => {
  const line = lineOf([1, batch], [2, normal], [3, forwarded], [4, normal], [5, critical]);

  expect(line.all().map(({ id }) => id)).toEqual([5, 2, 4, 3, 1]);
  expect(line.first(false, anyone)?.id).toBe(5);
  expect(line.first(true, ({ rank }) => rank !== critical)?.id).toBe(4);
});

test("one that had its turn already comes first in its class", () => {
  const line = lineOf([1, normal], [2, normal]);
  line.add({ id: 3, rank: normal, sinceMs: 3 }, true);

  expect(line.all().map(({ id }) => id)).toEqual([3, 1, 2]);
});

test("one in the middle can leave", () => {
  const line = lineOf([1, normal], [2, normal], [3, normal]);

  expect(line.remove(2)).toBe(true);
  expect(line.remove(2)).toBe(false);
  expect(line.all().map(({ id }) => id)).toEqual([1, 3]);
  expect(line.length).toBe(2);
});

test("the oldest is found in whatever class it is", () => {
  expect(lineOf([3, critical], [1, batch], [2, normal]).oldest()?.id).toBe(1);
  expect(createRequestQueue().oldest()).toBeUndefined();
});

test("the oldest of the lowest class gives way to a higher one, and to none of its own", () => {
  const line = lineOf([1, normal], [2, batch], [3, batch]);

  expect(line.lowestBelow(normal)?.id).toBe(2);
  expect(line.lowestBelow(batch)).toBeUndefined();
});

test("whoever is of a higher or the same class is ahead of a new one", () => {
  const line = lineOf([1, critical], [2, normal], [3, batch]);

  expect(line.aheadOf(critical)).toBe(1);
  expect(line.aheadOf(forwarded)).toBe(2);
  expect(line.aheadOf(batch)).toBe(3);
});

test("a line that was cleared is empty and can be used again", () => {
  const line = lineOf([1, normal], [2, batch]);

  expect(line.clear().map(({ id }) => id)).toEqual([1, 2]);
  expect(line.length).toBe(0);
  line.add({ id: 3, rank: normal, sinceMs: 0 });
  expect(line.first(false, anyone)?.id).toBe(3);
});
