import { TooLargeError } from "@tensorgate/core";

/** Numbers of one text: they take eight bytes each, where two characters may be one. */
const maxNumbers = 2 ** 23;
/** Numbers that there is room for at least: V8 holds so many without a separate buffer. */
const minSize = 8;
/** Numbers by which the others of a text are counted in advance. */
const minSample = 1_024;

/** Returns room for the first numbers of a text. */
export function firstRoom(byteLength: number): Float64Array {
  // A number and its comma take four characters or more in most texts.
  return new Float64Array(Math.min(Math.max(byteLength >> 2, minSize), minSample));
}

/**
 * Returns a copy of `values`, which are full, with room for more.
 *
 * @param readShare - of the text that is read: the rest is expected to have as many numbers for its length
 * @throws TooLargeError if there are too many
 */
export function largerRoom(values: Float64Array, readShare: number): Float64Array {
  const { length } = values;
  if (length >= maxNumbers) {
    throw new TooLargeError(`the message has more than ${maxNumbers} numbers`, {
      hint: "send the tensors over gRPC",
    });
  }
  const expected = length < minSample ? 0 : (length / readShare) * 1.05;
  const size = Math.min(Math.max(length * 2, Math.ceil(expected)), maxNumbers);
  const larger = new Float64Array(size);
  larger.set(values);
  return larger;
}
