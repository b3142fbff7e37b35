/** The extent of the outermost axis of an array of numbers, and the shape of what is in it. */
interface Shape {
  readonly extent: number;
  readonly inner: number;
  readonly rank: number;
}

/** Axes of an array that is one node: TensorFlow's own limit of those of a tensor. */
export const maxRank = 254;

/** Number of the shape of a scalar. */
export const scalar = 0;

/** Numbers the shapes of a document, so that two are the same if their numbers are. */
export class ShapeTable {
  readonly #shapes: Shape[] = [{ extent: 1, inner: scalar, rank: 0 }];
  readonly #numbers = new Map<number, number>();

  /** Number of the shape of `extent` arrays or scalars whose shape has the number `inner`. */
  numberOf(extent: number, inner: number): number {
    const key = inner * 2 ** 32 + extent;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#shapes.push({ extent, inner, rank: this.#rank(inner) + 1 });
    this.#numbers.set(key, this.#shapes.length - 1);
    return this.#shapes.length - 1;
  }

  /** Whether an array of arrays of this shape can be one node. */
  mayBeWrapped(number: number): boolean {
    return this.#rank(number) < maxRank;
  }

  #rank(number: number): number {
    return (this.#shapes[number] as Shape).rank;
  }

  /** Of the outermost axis. */
  extent(number: number): number {
    return (this.#shapes[number] as Shape).extent;
  }

  /** Outermost first; none for a scalar. */
  extents(number: number): readonly number[] {
    const all: number[] = [];
    for (let at = number; at !== scalar; ) {
      const { extent, inner } = this.#shapes[at] as Shape;
      all.push(extent);
      at = inner;
    }
    return all;
  }
}
