/** Bytes put together from pieces, in memory that follows what has come. */
export interface GrowingBuffer {
  /** Bytes that have been appended. */
  readonly byteLength: number;
  /** Bytes of memory that they take: all that was charged. */
  readonly capacity: number;
  /**
   * Copies a piece to the end.
   *
   * @param charge - called with each further amount of memory that is needed, in bytes, before it is taken; what it
   *   throws leaves everything as it was
   * @throws RangeError if there would be more bytes than expected
   */
  append(piece: Uint8Array, charge: (byteCount: number) => void): void;
  /** What was appended; to be called once, at the end. */
  bytes(): Uint8Array;
  /** Frees the memory at once: under overload the collector would take its time. */
  free(): void;
}

/** Bytes of memory that the first piece gets at least, where so many are expected. */
const minBytes = 4_096;

/**
 * How many times as much memory as bytes that have come is taken ahead. Where the length is known, none of it is left
 * over in the end, and a picture that comes in a few pieces of 64 KiB gets all of it with the first.
 */
const growthTo = { exactly: 4, "at-most": 2 } as const;

/**
 * @param kind - whether `byteCount` bytes are expected, or any number up to it; however many, no memory is taken for
 *   them before they have begun to come
 */
export function createGrowingBuffer(kind: keyof typeof growthTo, byteCount: number): GrowingBuffer {
  let memory = Buffer.alloc(0);
  let byteLength = 0;

  function grow(neededBytes: number, charge: (byteCount: number) => void): void {
    if (neededBytes > byteCount) throw new RangeError(`more than the ${byteCount} bytes expected`);
    const capacity = Math.min(byteCount, Math.max(minBytes, neededBytes * growthTo[kind]));
    charge(capacity - memory.byteLength);
    const larger = Buffer.allocUnsafeSlow(capacity);
    memory.copy(larger, 0, 0, byteLength);
    free();
    memory = larger;
  }

  function free(): void {
    if (memory.byteLength > 0) memory.buffer.transfer(0);
  }

  return {
    get byteLength() {
      return byteLength;
    },
    get capacity() {
      return memory.byteLength;
    },
    append: (piece, charge) => {
      const neededBytes = byteLength + piece.byteLength;
      if (neededBytes > memory.byteLength) grow(neededBytes, charge);
      memory.set(piece, byteLength);
      byteLength = neededBytes;
    },
    bytes: () => (byteLength === memory.byteLength ? memory : memory.subarray(0, byteLength)),
    free,
  };
}
