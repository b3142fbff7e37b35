import type { WorkBudget } from "@tensorgate/core";

/**
 * What a node of a document is. `numbers` is a regular array of numbers, of any rank and with at least one: tensors are
 * mostly sent as such, and what is in it is no separate node.
 */
export const jsonKind = {
  null: 0,
  false: 1,
  true: 2,
  object: 3,
  array: 4,
  string: 5,
  number: 6,
  numbers: 7,
} as const;

export type JsonKind = (typeof jsonKind)[keyof typeof jsonKind];

/** Nodes that there is room for at first: most bodies have few. */
const firstSize = 16;

/** The nodes of a document in the order of its text, column by column. */
export class NodeTable {
  readonly #budget: WorkBudget | undefined;
  #size = 0;
  count = 0;
  kinds!: Uint8Array;
  /** Of numbers. */
  flags!: Uint8Array;
  /** Where each begins and ends, in bytes. */
  starts!: Uint32Array;
  ends!: Uint32Array;
  /** Of a container the node after it, of numbers the index of the first one. */
  links!: Uint32Array;
  /** Of a container its values, of numbers the number of their shape. */
  counts!: Uint32Array;

  /** @param budget - charged one element for each node */
  constructor(budget: WorkBudget | undefined) {
    this.#budget = budget;
    this.#resize(firstSize);
  }

  /** @throws TooLargeError where the budget ends */
  add(kind: JsonKind, start: number, end: number): number {
    this.#budget?.spend();
    const node = this.count;
    if (node === this.#size) this.#resize(this.#size * 2);
    this.count += 1;
    this.kinds[node] = kind;
    this.counts[node] = 0;
    this.starts[node] = start;
    this.ends[node] = end;
    return node;
  }

  /** Moves the columns to one buffer of that many nodes: a buffer costs more than all that a small body needs. */
  #resize(size: number): void {
    const { kinds, flags, starts, ends, links, counts } = this;
    const buffer = new ArrayBuffer(size * 18);
    const words = (column: number) => new Uint32Array(buffer, column * size * 4, size);
    const bytes = (column: number) => new Uint8Array(buffer, (16 + column) * size, size);
    this.starts = words(0);
    this.ends = words(1);
    this.links = words(2);
    this.counts = words(3);
    this.kinds = bytes(0);
    this.flags = bytes(1);
    if (this.#size > 0) {
      this.starts.set(starts);
      this.ends.set(ends);
      this.links.set(links);
      this.counts.set(counts);
      this.kinds.set(kinds);
      this.flags.set(flags);
    }
    this.#size = size;
  }
}
