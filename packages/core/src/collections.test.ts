import { seededRandom } from "@tensorgate/core";
import { expect, test } from "vitest";
import { createIndexedHeap, IdMap, notInHeap } from "./collections.ts";

test("it holds what a Map holds, in the same order, whatever is set and deleted", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const { below: pick } = seededRandom(seed);
    const ours = new IdMap<string>();
    const theirs = new Map<number, string>();
    for (let step = 0; step < 300; step += 1) {
      const id = pick(seed % 2 === 0 ? 40 : 4_000);
      if (pick(5) < 3) {
        ours.set(id, `${step}`);
        theirs.set(id, `${step}`);
      } else {
        expect(ours.delete(id)).toBe(theirs.delete(id));
      }
      expect(ours.get(id)).toBe(theirs.get(id));
      expect(ours.size).toBe(theirs.size);
    }
    expect([...ours]).toEqual([...theirs]);
    expect([...ours.keys()]).toEqual([...theirs.keys()]);
    expect([...ours.values()]).toEqual([...theirs.values()]);
  }
});

test("what changes during an iteration is seen as in a Map", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const seen = [new IdMap<number>(), new Map<number, number>()].map((map) => {
      const { below: pick } = seededRandom(seed);
      for (let id = 0; id < 20; id += 1) map.set(id, id);
      const visited: number[] = [];
      for (const value of map.values()) {
        visited.push(value);
        for (let deleted = pick(4); deleted > 0; deleted -= 1) map.delete(pick(30));
        if (visited.length < 60 && pick(3) === 0) map.set(20 + pick(40), pick(100));
      }
      return visited;
    });
    expect(seen[0]).toEqual(seen[1]);
  }
});

test("it is empty after it was cleared", () => {
  const map = new IdMap<string>();
  for (let id = 0; id < 100; id += 1) map.set(id, "x");
  map.clear();
  expect([map.size, ...map.keys()]).toEqual([0]);
  expect(map.get(7)).toBeUndefined();
  map.set(7, "y");
  expect([...map]).toEqual([[7, "y"]]);
});

test("a heap gives its items in order, whatever was moved and removed before", () => {
  const { next: random } = seededRandom(1);
  const items = Array.from({ length: 200 }, () => ({ key: random(), heapIndex: notInHeap }));
  const heap = createIndexedHeap<(typeof items)[number]>((one, other) => one.key < other.key);
  for (const item of items) heap.place(item);
  for (const [number, item] of items.entries()) {
    if (number % 2 === 1) continue;
    item.key = random();
    heap.place(item);
  }
  const removed = items.filter((_item, number) => number % 5 === 0);
  for (const item of removed) heap.remove(item);
  for (const item of removed.slice(0, 1)) heap.remove(item);

  const taken: number[] = [];
  for (let { first } = heap; first !== undefined; first = heap.first) {
    heap.remove(first);
    taken.push(first.key);
  }
  const left = items.filter((item) => !removed.includes(item));
  expect(taken).toEqual(left.map(({ key }) => key).toSorted((a, b) => a - b));
  expect(items.every(({ heapIndex }) => heapIndex === notInHeap)).toBe(true);
});
