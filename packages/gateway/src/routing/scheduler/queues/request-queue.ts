import { type Rank, rankCount } from "./rank.ts";

export interface Waiting {
  readonly id: number;
  readonly rank: Rank;
  /** When it joined the line. */
  readonly sinceMs: number;
}

/** Requests without a slot, in classes: the higher one before the lower, first in, first out in each. */
export interface WaitingLine<Item extends Waiting> {
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

interface ClassLine<Item> {
  first: Node<Item> | undefined;
  last: Node<Item> | undefined;
  count: number;
}

/** Linked, so that both ends and the middle cost the same. */
export function waitingLine<Item extends Waiting>(): WaitingLine<Item> {
  const classes = Array.from(
    { length: rankCount },
    (): ClassLine<Item> => ({
      first: undefined,
      last: undefined,
      count: 0,
    }),
  );
  const nodes = new Map<number, Node<Item>>();
  // Ranks are what `rankOf` gives.
  const lineOf = (rank: Rank) => classes[rank] as ClassLine<Item>;

  function unlink({ item, before, after }: Node<Item>): void {
    const line = lineOf(item.rank);
    if (before) before.after = after;
    else line.first = after;
    if (after) after.before = before;
    else line.last = before;
    line.count -= 1;
    nodes.delete(item.id);
  }

  function all(): readonly Item[] {
    return classes.flatMap(({ first }) => {
      const inOrder: Item[] = [];
      for (let node = first; node; node = node.after) inOrder.push(node.item);
      return inOrder;
    });
  }

  return {
    get length() {
      return nodes.size;
    },
    add: (item, atFront = false) => {
      const line = lineOf(item.rank);
      const node: Node<Item> = {
        item,
        before: atFront ? undefined : line.last,
        after: atFront ? line.first : undefined,
      };
      if (node.before) node.before.after = node;
      else line.first = node;
      if (node.after) node.after.before = node;
      else line.last = node;
      line.count += 1;
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
      const firsts = classes.flatMap(({ first }) => (first ? [first.item] : []));
      return firsts.reduce<Item | undefined>(
        (oldest, each) => (oldest && oldest.sinceMs <= each.sinceMs ? oldest : each),
        undefined,
      );
    },
    lowestBelow: (rank) => {
      return classes.findLast(({ first }, index) => index > rank && first !== undefined)?.first
        ?.item;
    },
    aheadOf: (rank) => {
      return classes.reduce((sum, { count }, index) => (index <= rank ? sum + count : sum), 0);
    },
    remove: (id) => {
      const node = nodes.get(id);
      if (node) unlink(node);
      return node !== undefined;
    },
    all,
    clear: () => {
      const items = all();
      nodes.clear();
      for (const line of classes)
        Object.assign(line, { first: undefined, last: undefined, count: 0 });
      return items;
    },
  };
}
