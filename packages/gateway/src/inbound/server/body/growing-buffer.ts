import { setImmediate } from "node:timers/promises";

/** Bytes put together from pieces, in memory that follows what has come. */
export interface GrowingBuffer {
  /** Bytes that have been appended. */
  readonly byteLength: number;
  /** Bytes of memory that they take: all that was charged. */
  readonly capacity: number;
  /** Bytes that have been copied so far from smaller memory to larger. */
  readonly movedBytes: number;
  /**
   * Copies a piece to the end.
   *
   * @param charge - called with each further amount of memory that is needed, in bytes, before it is taken; what it
   *   throws leaves everything as it was
   * @throws RangeError if there would be more bytes than expected
   */
  append(piece: Uint8Array, charge: (byteCount: number) => void): void;
  /** What was appended, all next to each other; to be called once, at the end. */
  whole(): Promise<Uint8Array>;
  /** Frees the memory immediately: under overload the collector would take its time. */
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
 * Most bytes that are moved at a time. The first touch of memory costs several times as much as a copy, so that 16 MiB
 * at once would block the event loop for tens of milliseconds; this much takes less than one.
 */
export const maxMovedBytes = 1_048_576;

/** Bytes that are moved with each byte that comes: the move has ended long before the memory is full again. */
const movedPerByte = 8;

const empty = Buffer.alloc(0);

/**
 * Creates an empty buffer. What larger memory replaces is moved to it little by little, with the pieces that come.
 *
 * @param kind - whether `byteCount` bytes are expected, or any number up to it; however many, no memory is taken for
 *   them before they have begun to come
 */
export function createGrowingBuffer(kind: keyof typeof growthTo, byteCount: number): GrowingBuffer {
  let memory = empty;
  /** The memory before, whose bytes have not all been moved; empty if they have. */
  let before = empty;
  let movedTo = 0;

  function move(maxBytes: number): void {
    if (before === empty) return;
    const from = movedTo;
    movedTo = Math.min(before.byteLength, from + maxBytes);
    before.copy(memory, from, from, movedTo);
    buffer.movedBytes += movedTo - from;
    if (movedTo === before.byteLength) freeBefore();
  }

  function freeBefore(): void {
    if (before !== empty) before.buffer.transfer(0);
    before = empty;
    movedTo = 0;
  }

  function grow(capacity: number): void {
    move(before.byteLength);
    before = buffer.byteLength > 0 ? memory.subarray(0, buffer.byteLength) : empty;
    memory = Buffer.allocUnsafeSlow(capacity);
    buffer.capacity = capacity;
  }

  const buffer: GrowingBuffer & { byteLength: number; capacity: number; movedBytes: number } = {
    byteLength: 0,
    capacity: 0,
    movedBytes: 0,
    append: (piece, charge) => {
      const neededBytes = buffer.byteLength + piece.byteLength;
      if (neededBytes > byteCount) {
        throw new RangeError(`more than the ${byteCount} bytes expected`);
      }
      if (neededBytes > buffer.capacity) {
        const capacity = Math.min(byteCount, Math.max(minBytes, neededBytes * growthTo[kind]));
        charge(capacity - buffer.capacity);
        grow(capacity);
      }
      memory.set(piece, buffer.byteLength);
      buffer.byteLength = neededBytes;
      move(Math.min(maxMovedBytes, movedPerByte * piece.byteLength));
    },
    whole: async () => {
      move(maxMovedBytes);
      while (before !== empty) {
        await setImmediate();
        move(maxMovedBytes);
      }
      return buffer.byteLength === buffer.capacity ? memory : memory.subarray(0, buffer.byteLength);
    },
    free: () => {
      freeBefore();
      if (memory !== empty) memory.buffer.transfer(0);
    },
  };
  return buffer;
}
