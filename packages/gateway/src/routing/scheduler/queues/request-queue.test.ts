import { expect, test } from "vitest";
import { createRequestQueue, rankOf, type Waiting } from "./request-queue.ts";

const critical = rankOf({ priority: "critical", isForwarded: false });
const normal = rankOf({ priority: "normal", isForwarded: false });
const forwarded = rankOf({ priority: "normal", isForwarded: true });
const batch = rankOf({ priority: "batch", isForwarded: false });

interface Item extends Waiting<Item> {
  readonly id: number;
}

const itemOf = (id: number, rank: number): Item => ({
  id,
  rank,
  sinceMs: id,
  before: undefined,
  after: undefined,
});

function queueOf(...items: readonly (readonly [id: number, rank: number])[]) {
  const queue = createRequestQueue<Item>();
  for (const [id, rank] of items) queue.add(itemOf(id, rank));
  return queue;
}

const anyone = () => true;

test("the higher class comes first, and in each the one that came first", () => {
  const queue = queueOf([1, batch], [2, normal], [3, forwarded], [4, normal], [5, critical]);

  expect(queue.all().map(({ id }) => id)).toEqual([5, 2, 4, 3, 1]);
  expect(queue.first(false, anyone, undefined)?.id).toBe(5);
  expect(queue.first(true, ({ rank }, whom) => rank !== whom, critical)?.id).toBe(4);
});

test("an item that was sent before goes first in its class", () => {
  const queue = queueOf([1, normal], [2, normal]);
  queue.add(itemOf(3, normal), true);

  expect(queue.all().map(({ id }) => id)).toEqual([3, 1, 2]);
});

test("one in the middle can leave", () => {
  const queue = queueOf([1, normal], [2, normal], [3, normal]);
  const middle = queue.first(false, ({ id }, wanted) => id === wanted, 2) as Item;

  queue.remove(middle);

  expect(queue.all().map(({ id }) => id)).toEqual([1, 3]);
  expect(queue.length).toBe(2);
  // It may lead to none of those that are left.
  expect(middle).toMatchObject({ before: undefined, after: undefined });
});

test("the oldest is found in whatever class it is", () => {
  expect(queueOf([3, critical], [1, batch], [2, normal]).oldest()?.id).toBe(1);
  expect(createRequestQueue<Item>().oldest()).toBeUndefined();
});

test("the oldest of the lowest class gives way to a higher one, and to none of the same class", () => {
  const queue = queueOf([1, normal], [2, batch], [3, batch]);

  expect(queue.lowestBelow(normal)?.id).toBe(2);
  expect(queue.lowestBelow(batch)).toBeUndefined();
});

test("items of a higher or the same class are ahead of a new one", () => {
  const queue = queueOf([1, critical], [2, normal], [3, batch]);

  expect(queue.depthAhead(critical)).toBe(1);
  expect(queue.depthAhead(forwarded)).toBe(2);
  expect(queue.depthAhead(batch)).toBe(3);
});

test("a queue that was cleared is empty and can be used again", () => {
  const queue = queueOf([1, normal], [2, batch]);

  expect(queue.clear().map(({ id }) => id)).toEqual([1, 2]);
  expect(queue.length).toBe(0);
  queue.add(itemOf(3, normal));
  expect(queue.first(false, anyone, undefined)?.id).toBe(3);
});
