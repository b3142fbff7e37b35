import type { WorkBudget } from "@tensorgate/core";

/**
 * What a node of a document is. `numbers` is a regular array of numbers, of any rank and with at least one: tensors are
 * mostly sent as such, and what is in it is no node of its own.
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

/** The nodes of a document in the order of its text, column by column. */
export class NodeTable {
  readonly #budget: WorkBudget | undefined;
  count = 0;
  kinds: Uint8Array = new Uint8Array(64);
  /** Of numbers. */
  flags: Uint8Array = new Uint8Array(64);
  /** Where each begins and ends, in bytes. */
  starts: Uint32Array = new Uint32Array(64);
  ends: Uint32Array = new Uint32Array(64);
  /** Of a container the node after it, of numbers the index of the first one. */
  links: Uint32Array = new Uint32Array(64);
  /** Of a container its values, of numbers the number of their shape. */
  counts: Uint32Array = new Uint32Array(64);

  /** @param budget - charged one element for each node */
  constructor(budget: WorkBudget | undefined) {
    this.#budget = budget;
  }

  /** @throws TooLargeError where the budget ends */
  add(kind: JsonKind, start: number, end: number): number {
    this.#budget?.spend();
    const node = this.count;
    if (node === this.kinds.length) this.#grow();
    this.count += 1;
    this.kinds[node] = kind;
    this.counts[node] = 0;
    this.starts[node] = start;
    this.ends[node] = end;
    return node;
  }

  #grow(): void {
    const size = this.count * 2;
    const bytes = (old: Uint8Array) => {
      const larger = new Uint8Array(size);
      larger.set(old);
      return larger;
    };
    const words = (old: Uint32Array) => {
      const larger = new Uint32Array(size);
      larger.set(old);
      return larger;
    };
    this.kinds = bytes(this.kinds);
    this.flags = bytes(this.flags);
    this.starts = words(this.starts);
    this.ends = words(this.ends);
    this.links = words(this.links);
    this.counts = words(this.counts);
  }
}
