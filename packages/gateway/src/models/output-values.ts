import {
  counted,
  type FixedSizeTensor,
  float32Values,
  floatValues,
  InvalidRequestError,
  isFloat,
  listedNames,
  maxResultsPerCall,
  maxResultsPerPicture,
  type PictureRequest,
  type Tensor,
  TooLargeError,
  UpstreamFailedError,
} from "@tensorgate/core";

/** Returns an output by its name. @throws UpstreamFailedError that lists the outputs of the reply */
export function outputNamed(name: string, outputs: ReadonlyMap<string, Tensor>): Tensor {
  const tensor = outputs.get(name);
  if (tensor) return tensor;
  throw new UpstreamFailedError(`the model's response has no output "${name}"`, {
    hint: outputs.size === 0 ? "it has none" : `its outputs: ${listedNames(outputs.keys())}`,
  });
}

/**
 * Reads the floating-point values of one picture from an output, of any size and whatever axes of extent 1 it has. If a
 * reply has one output, it is that one, whatever its name.
 *
 * @param what - plural, for messages
 * @throws UpstreamFailedError if the output is missing, is not of floating-point numbers for one picture, or contains NaN
 */
export function valuesOfPicture(
  outputs: ReadonlyMap<string, Tensor>,
  { name, what }: { readonly name: string; readonly what: string },
): Float32Array {
  const only = outputs.size === 1 ? outputs.values().next().value : undefined;
  const tensor = only ?? outputNamed(name, outputs);
  const { dtype, shape } = tensor;
  let rows = 0;
  for (const extent of shape) if (extent !== 1) rows += 1;
  if (!isFloat(dtype) || rows > 1) {
    throw new UpstreamFailedError(
      `the model's ${what} are ${dtype} of shape [${shape}]; expected floating-point numbers for one picture`,
    );
  }
  const values = dtype === "FP32" ? alignedValues(tensor) : floatValues(tensor);
  const { length } = values;
  // A sum is NaN if one of its values is. This runs for the thousand scores of every picture: two sums, which a processor
  // adds to at the same time, take a third of the time that a test of each value takes.
  let even = length % 2 === 0 ? 0 : (values[length - 1] as number);
  let odd = 0;
  for (let at = 1; at < length; at += 2) {
    even += values[at - 1] as number;
    odd += values[at] as number;
  }
  if (Number.isNaN(even + odd)) assertNoNaN(values, what);
  return values;
}

/** Memory that several copies share, in bytes. */
const sharedBytes = 65_536;
/** Shorter ones keep too much of it: it is freed with the last of its copies. Longer ones have some for themselves. */
const minCopyBytes = 1_024;
const maxCopyBytes = sharedBytes / 4;
let shared = new Uint8Array(0);
let usedBytes = 0;

/**
 * Views or copies FP32 elements as `float32Values` does. Replies have most tensors at offsets where numbers cannot be
 * viewed, and memory for each copy costs several times what copying costs: so copies share it.
 */
function alignedValues(tensor: FixedSizeTensor): Float32Array {
  const { byteOffset, byteLength } = tensor.data;
  const isAligned = byteOffset % Float32Array.BYTES_PER_ELEMENT === 0;
  if (isAligned || byteLength < minCopyBytes || byteLength > maxCopyBytes) {
    return float32Values(tensor);
  }
  if (usedBytes + byteLength > shared.length) {
    shared = new Uint8Array(sharedBytes);
    usedBytes = 0;
  }
  shared.set(tensor.data, usedBytes);
  const values = new Float32Array(shared.buffer, usedBytes, byteLength / 4);
  usedBytes += byteLength;
  return values;
}

/** Tests each value: infinities of both signs add up to NaN as well. */
function assertNoNaN(values: Float32Array, what: string): void {
  let count = 0;
  for (const value of values) if (Number.isNaN(value)) count += 1;
  if (count === 0) return;
  throw new UpstreamFailedError(
    `${count} of ${values.length} ${what} ${count === 1 ? "is" : "are"} NaN`,
  );
}

/**
 * The highest of many scores that are offered one after the other: a heap whose root is the worst of them, which finds
 * them in O(n log count) for n scores. A class, so that those of all pictures share their methods.
 */
export class HighestScores {
  /** Comparisons so far, beside the first of each score. */
  comparisonCount: number;
  /** Only a score above it is among the highest: the worst of them, or -Infinity while there is room. */
  floor: number;
  readonly #count: number;
  // Two lists of numbers rather than one of entries: most scores that are offered are soon replaced.
  readonly #ids: number[];
  readonly #scores: number[];

  /** @param count - how many are kept; an integer >= 1 */
  constructor(count: number) {
    this.comparisonCount = 0;
    this.floor = Number.NEGATIVE_INFINITY;
    this.#count = count;
    this.#ids = [];
    this.#scores = [];
  }

  /** Ids come in ascending order: of equal scores the first one offered is the better. */
  offer(id: number, score: number): void {
    const ids = this.#ids;
    const scores = this.#scores;
    const count = this.#count;
    if (ids.length < count) {
      // From the end of the heap upwards.
      let at = ids.length;
      while (at > 0) {
        const parentAt = (at - 1) >> 1;
        this.comparisonCount += 1;
        if (score > (scores[parentAt] as number)) break;
        ids[at] = ids[parentAt] as number;
        scores[at] = scores[parentAt] as number;
        at = parentAt;
      }
      ids[at] = id;
      scores[at] = score;
    } else if (score > this.floor) this.#replaceRoot(id, score);
    if (ids.length === count) this.floor = scores[0] as number;
  }

  /** Takes them all out. @returns what `toValue` makes of each, best first */
  takeAll<Value>(toValue: (id: number, score: number) => Value): readonly Value[] {
    const ids = this.#ids;
    const scores = this.#scores;
    const values = new Array<Value>(ids.length);
    // The root is the worst of those that are left.
    for (let at = ids.length - 1; at >= 0; at -= 1) {
      values[at] = toValue(ids[0] as number, scores[0] as number);
      const lastId = ids.pop() as number;
      const lastScore = scores.pop() as number;
      if (at > 0) this.#replaceRoot(lastId, lastScore);
    }
    return values;
  }

  /** Drops the root, and lets an entry sink from its place. */
  #replaceRoot(id: number, score: number): void {
    const ids = this.#ids;
    const scores = this.#scores;
    let at = 0;
    for (let childAt = 1; childAt < ids.length; childAt = 2 * at + 1) {
      const rightAt = childAt + 1;
      // Beyond the end NaN, which is neither.
      const difference = (scores[rightAt] ?? Number.NaN) - (scores[childAt] as number);
      const isRightLater = (ids[rightAt] as number) > (ids[childAt] as number);
      const isRightWorse = difference < 0 || (difference === 0 && isRightLater);
      const worseAt = isRightWorse ? rightAt : childAt;
      const worstScore = scores[worseAt] as number;
      this.comparisonCount += 2;
      if (worstScore > score || (worstScore === score && (ids[worseAt] as number) < id)) break;
      ids[at] = ids[worseAt] as number;
      scores[at] = worstScore;
      at = worseAt;
    }
    ids[at] = id;
    scores[at] = score;
  }
}

/** Returns the probabilities of `logits`. The maximum is subtracted first, so that large logits do not overflow. */
export function softmax(logits: Float32Array): Float32Array {
  let highest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) highest = Math.max(highest, logit);
  const powers = new Float32Array(logits.length);
  let sum = 0;
  for (let at = 0; at < powers.length; at += 1) {
    powers[at] = Math.exp((logits[at] as number) - highest);
    sum += powers[at] as number;
  }
  return powers.map((power) => power / sum);
}

/**
 * Limits the number of results for one picture to `maxResultsPerPicture`: a larger number stands for all results.
 *
 * @throws InvalidRequestError if it is no whole number above 0
 */
export function resultCount(field: string, count: number): number {
  if (Number.isInteger(count) && count >= 1) return Math.min(count, maxResultsPerPicture);
  throw new InvalidRequestError(`${field} must be a whole number of at least 1, got ${count}`, {
    field,
  });
}

/**
 * Checks the number of results that a caller requests for all pictures of a call. Those of the model's settings are the
 * choice of the operator.
 *
 * @throws TooLargeError if it is more than one answer holds
 */
export function assertResultCount(
  { pictures }: PictureRequest,
  { field, perPicture }: { readonly field: string; readonly perPicture: number | undefined },
): void {
  const count = pictures.length * (perPicture ?? 0);
  if (count <= maxResultsPerCall) return;
  throw new TooLargeError(
    `${counted(pictures.length, "picture")} with ${field} ${perPicture} would return ${count} results; the limit is ${maxResultsPerCall}`,
    { field, hint: `use a smaller ${field}, or split the pictures over several calls` },
  );
}
