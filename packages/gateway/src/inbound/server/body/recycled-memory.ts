/** Shortest memory that is kept for other bodies, in bytes. */
export const minRecycledBytes = 16_384;

/** Longest memory that is kept, and most that is kept in all, in bytes. */
const maxRecycledBytes = 4_194_304;
const maxIdleBytes = 16_777_216;

/**
 * Memory of bodies that were answered, by its length. A collector that counts another 100 KB with each request runs
 * so often that it costs more than everything else that is done with a picture.
 */
const idle = new Map<number, Uint8Array<ArrayBuffer>[]>();
let idleBytes = 0;

/**
 * Takes memory for a body, which may be an eighth longer than it: bodies of about the same length share theirs.
 *
 * @param byteCount - at least `minRecycledBytes`
 */
export function takeMemory(byteCount: number): Uint8Array<ArrayBuffer> {
  const length = recycledLength(byteCount);
  const found = idle.get(length)?.pop();
  if (!found) return Buffer.allocUnsafeSlow(length);
  idleBytes -= length;
  return found;
}

/** Keeps memory of at least `minRecycledBytes`, if it is as long as what bodies get and there is room for it. */
export function keepMemory(given: Uint8Array<ArrayBuffer>): void {
  const { length } = given;
  if (length > maxRecycledBytes || length !== recycledLength(length)) return;
  if (idleBytes + length > maxIdleBytes) return;
  idleBytes += length;
  const ofLength = idle.get(length);
  if (ofLength) ofLength.push(given);
  else idle.set(length, [given]);
}

/** Rounds up to a multiple of an eighth of the next lower power of two. */
function recycledLength(byteCount: number): number {
  if (byteCount > maxRecycledBytes) return byteCount;
  const step = 1 << (28 - Math.clz32(byteCount));
  return Math.ceil(byteCount / step) * step;
}
