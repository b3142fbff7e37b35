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
