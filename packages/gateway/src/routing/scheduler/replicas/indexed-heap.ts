/** A binary heap whose items can be moved and removed wherever they are: both cost O(log n). */
export interface IndexedHeap<Item> {
  /** The first item, without removing it. */
  readonly first: Item | undefined;
  /** Adds an item, or moves one whose place in the order has changed. */
  place(item: Item): void;
  /** Removes an item, if it is there. */
  remove(item: Item): void;
}

/** @param isBefore - a strict order, which may only change for the item that is placed next */
export function createIndexedHeap<Item>(
  isBefore: (one: Item, other: Item) => boolean,
): IndexedHeap<Item> {
  const items: Item[] = [];
  const indexes = new Map<Item, number>();

  function put(index: number, item: Item): void {
    items[index] = item;
    indexes.set(item, index);
  }

  function siftUp(from: number, item: Item): void {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex] as Item;
      if (!isBefore(item, parent)) break;
      put(index, parent);
      index = parentIndex;
    }
    put(index, item);
  }

  function siftDown(from: number, item: Item): void {
    let index = from;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= items.length) break;
      const right = childIndex + 1;
      if (right < items.length && isBefore(items[right] as Item, items[childIndex] as Item)) {
        childIndex = right;
      }
      const child = items[childIndex] as Item;
      if (!isBefore(child, item)) break;
      put(index, child);
      index = childIndex;
    }
    put(index, item);
  }

  function settle(index: number, item: Item): void {
    const parent = items[(index - 1) >> 1];
    if (index > 0 && isBefore(item, parent as Item)) siftUp(index, item);
    else siftDown(index, item);
  }

  return {
    get first() {
      return items[0];
    },
    place: (item) => {
      const index = indexes.get(item);
      if (index === undefined) siftUp(items.push(item) - 1, item);
      else settle(index, item);
    },
    remove: (item) => {
      const index = indexes.get(item);
      if (index === undefined) return;
      indexes.delete(item);
      const last = items.pop() as Item;
      if (index < items.length) settle(index, last);
    },
  };
}
