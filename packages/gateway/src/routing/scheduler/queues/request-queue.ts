import { type Priority, priorities } from "@tensorgate/core";

/** Place of a request's class in a queue, 0 for those that come first. */
export type Rank = number;

interface RankedRequest {
  readonly priority: Priority;
  readonly isForwarded: boolean;
}

/** In each class a region's own callers come before what other regions send. */
export function rankOf({ priority, isForwarded }: RankedRequest): Rank {
  return 2 * priorities.indexOf(priority) + (isForwarded ? 1 : 0);
}

const rankCount = 2 * priorities.length;

export interface Waiting {
  readonly id: number;
  readonly rank: Rank;
  /** When it joined the line. */
  readonly sinceMs: number;
}

/** Requests without a slot, in classes: the higher one before the lower, first in, first out in each. */
export interface RequestQueue<Item extends Waiting> {
  readonly length: number;
  /** @param atFront - of its class: it has had its turn already */
  add(item: Item, atFront?: boolean): void;
  /**
   * The one whose turn it is among those that fit, left where it is.
   *
   * @param newestFirst - the last of a class before the first of it
   */
  first(newestFirst: boolean, isFit: (item: Item) => boolean): Item | undefined;
  /** The one that waits longest, of any class. */
  oldest(): Item | undefined;
  /** The oldest of the lowest class below `rank`: the one that gives way. */
  lowestBelow(rank: Rank): Item | undefined;
  /** How many have their turn before a new one of that class. */
  aheadOf(rank: Rank): number;
  /** Takes one out, wherever it stands; false if it is not there. */
  remove(id: number): boolean;
  /** All, in the order of their turns. */
  all(): readonly Item[];
  /** Takes out all, in the order of their turns. */
  clear(): readonly Item[];
}

interface Node<Item> {
  readonly item: Item;
  before: Node<Item> | undefined;
  after: Node<Item> | undefined;
}

interface ClassQueue<Item> {
  first: Node<Item> | undefined;
  last: Node<Item> | undefined;
  count: number;
}

/** Linked, so that both ends and the middle cost the same. */
export function createRequestQueue<Item extends Waiting>(): RequestQueue<Item> {
  const classes = Array.from(
    { length: rankCount },
    (): ClassQueue<Item> => ({ first: undefined, last: undefined, count: 0 }),
  );
  const nodes = new Map<number, Node<Item>>();

  const queue: RequestQueue<Item> & { length: number } = {
    length: 0,
    add: (item, atFront = false) => {
      // Ranks are what `rankOf` gives.
      const ofClass = classes[item.rank] as ClassQueue<Item>;
      const node: Node<Item> = {
        item,
        before: atFront ? undefined : ofClass.last,
        after: atFront ? ofClass.first : undefined,
      };
      if (node.before) node.before.after = node;
      else ofClass.first = node;
      if (node.after) node.after.before = node;
      else ofClass.last = node;
      ofClass.count += 1;
      queue.length += 1;
      nodes.set(item.id, node);
    },
    first: (newestFirst, isFit) => {
      for (const { first, last } of classes) {
        let node = newestFirst ? last : first;
        while (node) {
          if (isFit(node.item)) return node.item;
          node = newestFirst ? node.before : node.after;
        }
      }
      return undefined;
    },
    oldest: () => {
      let oldest: Item | undefined;
      for (const { first } of classes) {
        if (first && !(oldest && oldest.sinceMs <= first.item.sinceMs)) oldest = first.item;
      }
      return oldest;
    },
    lowestBelow: (rank) =>
      classes.findLast(({ first }, index) => index > rank && first !== undefined)?.first?.item,
    aheadOf: (rank) => {
      let ahead = 0;
      for (const [index, { count }] of classes.entries()) if (index <= rank) ahead += count;
      return ahead;
    },
    remove: (id) => {
      const node = nodes.get(id);
      if (!node) return false;
      const { item, before, after } = node;
      const ofClass = classes[item.rank] as ClassQueue<Item>;
      if (before) before.after = after;
      else ofClass.first = after;
      if (after) after.before = before;
      else ofClass.last = before;
      ofClass.count -= 1;
      queue.length -= 1;
      return nodes.delete(id);
    },
    all: () =>
      classes.flatMap(({ first }) => {
        const inOrder: Item[] = [];
        for (let node = first; node; node = node.after) inOrder.push(node.item);
        return inOrder;
      }),
    clear: () => {
      const items = queue.all();
      nodes.clear();
      queue.length = 0;
      for (const each of classes) {
        each.first = undefined;
        each.last = undefined;
        each.count = 0;
      }
      return items;
    },
  };
  return queue;
}
