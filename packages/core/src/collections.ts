interface Node<Value> {
  readonly id: number;
  /** How many came before it. */
  readonly order: number;
  value: Value;
  isDeleted: boolean;
  /** The next one of the same bucket. */
  chained: Node<Value> | undefined;
  before: Node<Value> | undefined;
  after: Node<Value> | undefined;
}

/** A power of two. */
const initialBucketCount = 16;

/**
 * A map from ids that are counted up to values that come and go, in the order in which they came.
 *
 * It does what a `Map` does, and forgets what was deleted. A `Map` takes a new table every few dozen entries, and the old
 * one, which points to the new one and to what was in it, is only freed by a collection of the whole heap: until then
 * every value, with all that it refers to, survives the cheap collections and is copied twice.
 */
export class IdMap<Value> {
  size = 0;
  #buckets = emptyBuckets<Value>(initialBucketCount);
  #addedCount = 0;
  #first: Node<Value> | undefined;
  #last: Node<Value> | undefined;

  get(id: number): Value | undefined {
    let node = this.#buckets[id & (this.#buckets.length - 1)];
    while (node && node.id !== id) node = node.chained;
    return node?.value;
  }

  set(id: number, value: Value): void {
    if (this.size === this.#buckets.length) this.#grow();
    const bucket = id & (this.#buckets.length - 1);
    let found = this.#buckets[bucket];
    while (found && found.id !== id) found = found.chained;
    if (found) {
      found.value = value;
      return;
    }
    const before = this.#last;
    const node: Node<Value> = {
      id,
      order: this.#addedCount,
      value,
      isDeleted: false,
      chained: this.#buckets[bucket],
      before,
      after: undefined,
    };
    this.#addedCount += 1;
    if (before) before.after = node;
    else this.#first = node;
    this.#last = node;
    this.size += 1;
    this.#buckets[bucket] = node;
  }

  /** @returns whether it was there */
  delete(id: number): boolean {
    const bucket = id & (this.#buckets.length - 1);
    let previous: Node<Value> | undefined;
    let node = this.#buckets[bucket];
    while (node && node.id !== id) {
      previous = node;
      node = node.chained;
    }
    if (!node) return false;
    if (previous) previous.chained = node.chained;
    else this.#buckets[bucket] = node.chained;
    const { before, after } = node;
    if (before) before.after = after;
    else this.#first = after;
    if (after) after.before = before;
    else this.#last = before;
    node.isDeleted = true;
    node.chained = undefined;
    node.before = undefined;
    node.after = undefined;
    this.size -= 1;
    return true;
  }

  clear(): void {
    for (const id of this.keys()) this.delete(id);
  }

  *keys(): Generator<number> {
    for (const [id] of this) yield id;
  }

  /** As those of a `Map`: also what is set meanwhile, and not what is deleted before its turn. */
  *values(): Generator<Value> {
    for (let node = this.#first; node; node = this.#following(node)) yield node.value;
  }

  *[Symbol.iterator](): Generator<[number, Value]> {
    for (let node = this.#first; node; node = this.#following(node)) yield [node.id, node.value];
  }

  #following({ isDeleted, order, after }: Node<Value>): Node<Value> | undefined {
    if (!isDeleted) return after;
    let node = this.#first;
    while (node && node.order <= order) node = node.after;
    return node;
  }

  #grow(): void {
    const buckets = emptyBuckets<Value>(2 * this.#buckets.length);
    for (let node = this.#first; node; node = node.after) {
      const bucket = node.id & (buckets.length - 1);
      node.chained = buckets[bucket];
      buckets[bucket] = node;
    }
    this.#buckets = buckets;
  }
}

function emptyBuckets<Value>(count: number): (Node<Value> | undefined)[] {
  return new Array<Node<Value> | undefined>(count).fill(undefined);
}

/** What can be in one heap at a time. */
export interface HeapItem {
  /** Its place, or `notInHeap`. Set by the heap. */
  heapIndex: number;
}

export const notInHeap = -1;

/** A binary heap whose items can be moved and removed wherever they are: both cost O(log n). */
export interface IndexedHeap<Item extends HeapItem> {
  /** The first item, without removing it. */
  readonly first: Item | undefined;
  /** Adds an item, or moves one whose place in the order has changed. */
  place(item: Item): void;
  /** Removes an item, if it is there. */
  remove(item: Item): void;
}

/** @param isBefore - a strict order, which may only change for the item that is placed next */
export function createIndexedHeap<Item extends HeapItem>(
  isBefore: (one: Item, other: Item) => boolean,
): IndexedHeap<Item> {
  const items: Item[] = [];

  /** Moves an item up or down to where it belongs. @param from - where it is, or a gap */
  function place(item: Item, from = item.heapIndex): void {
    let index = from === notInHeap ? items.length : from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex] as Item;
      if (!isBefore(item, parent)) break;
      items[index] = parent;
      parent.heapIndex = index;
      index = parentIndex;
    }
    // One that moved up is before all that is below it.
    for (let childIndex = 2 * index + 1; childIndex < items.length; childIndex = 2 * index + 1) {
      const right = childIndex + 1;
      if (right < items.length && isBefore(items[right] as Item, items[childIndex] as Item)) {
        childIndex = right;
      }
      const child = items[childIndex] as Item;
      if (!isBefore(child, item)) break;
      items[index] = child;
      child.heapIndex = index;
      index = childIndex;
    }
    items[index] = item;
    item.heapIndex = index;
    heap.first = items[0];
  }

  const heap: IndexedHeap<Item> & { first: Item | undefined } = {
    first: undefined,
    place,
    remove: (item) => {
      const { heapIndex } = item;
      if (heapIndex === notInHeap) return;
      item.heapIndex = notInHeap;
      const last = items.pop() as Item;
      if (last !== item) place(last, heapIndex);
      else heap.first = items[0];
    },
  };
  return heap;
}
