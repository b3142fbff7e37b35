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

  /** Moves an item up or down to where it belongs. @param from - where it is, or was */
  function sift(from: number, item: Item): void {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex] as Item;
      if (!isBefore(item, parent)) break;
      put(index, parent);
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
      put(index, child);
      index = childIndex;
    }
    put(index, item);
  }

  return {
    get first() {
      return items[0];
    },
    place: (item) => {
      sift(indexes.get(item) ?? items.push(item) - 1, item);
    },
    remove: (item) => {
      const index = indexes.get(item);
      if (index === undefined) return;
      indexes.delete(item);
      const last = items.pop() as Item;
      if (index < items.length) sift(index, last);
    },
  };
}
