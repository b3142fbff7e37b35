import {
  counted,
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
  const [only] = outputs.values();
  const tensor = outputs.size === 1 && only ? only : outputNamed(name, outputs);
  const { dtype, shape } = tensor;
  let rows = 0;
  for (const extent of shape) if (extent !== 1) rows += 1;
  const isFp32 = dtype === "FP32";
  if (!(isFp32 || isFloat(dtype)) || rows > 1) {
    throw new UpstreamFailedError(
      `the model's ${what} are ${dtype} of shape [${shape}]; expected floating-point numbers for one picture`,
    );
  }
  const values = isFp32 ? float32Values(tensor) : floatValues(tensor);
  let count = 0;
  // A plain loop: it runs for each of a thousand scores of every picture.
  for (let at = 0; at < values.length; at += 1) if (Number.isNaN(values[at])) count += 1;
  if (count === 0) return values;
  throw new UpstreamFailedError(
    `${count} of ${values.length} ${what} ${count === 1 ? "is" : "are"} NaN`,
  );
}

/** The highest of many scores that are offered one after the other. */
export interface HighestScores {
  /** Comparisons so far, beside the first of each score. */
  readonly comparisonCount: number;
  /** Only a score above it is among the highest: the worst of them, or -Infinity while there is room. */
  readonly floor: number;
  /** Ids come in ascending order: of equal scores the first one offered is the better. */
  offer(id: number, score: number): void;
  /** Best first. */
  all(): readonly HighScore[];
}

export interface HighScore {
  readonly id: number;
  readonly score: number;
}

/**
 * Finds the `count` highest scores with a heap whose root is the worst of them, in O(n log count) for n scores.
 *
 * @param count - an integer >= 1
 */
export function createHighestScores(count: number): HighestScores {
  // Two lists of numbers rather than one of entries: most scores that are offered are soon replaced.
  const ids: number[] = [];
  const scores: number[] = [];
  const highest = {
    comparisonCount: 0,
    floor: Number.NEGATIVE_INFINITY,
    offer: (id: number, score: number): void => {
      const isFull = ids.length === count;
      if (isFull && !(score > highest.floor)) return;
      const at = isFull ? sink(score) : rise(score);
      ids[at] = id;
      scores[at] = score;
      if (ids.length === count) highest.floor = scores[0] as number;
    },
    all: () => {
      const entries: HighScore[] = [];
      for (const [at, id] of ids.entries()) entries.push({ id, score: scores[at] as number });
      return entries.sort((a, b) => b.score - a.score || a.id - b.id);
    },
  };

  /** Makes room for a score from the end of the heap upwards. @returns where it belongs */
  function rise(score: number): number {
    let at = ids.length;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      highest.comparisonCount += 1;
      if (score > (scores[parentAt] as number)) break;
      ids[at] = ids[parentAt] as number;
      scores[at] = scores[parentAt] as number;
      at = parentAt;
    }
    return at;
  }

  /** Drops the root, and makes room for a score above it. @returns where it belongs */
  function sink(score: number): number {
    let at = 0;
    for (let childAt = 1; childAt < ids.length; childAt = 2 * at + 1) {
      const rightAt = childAt + 1;
      // Beyond the end NaN, which is neither.
      const difference = (scores[rightAt] ?? Number.NaN) - (scores[childAt] as number);
      const isRightLater = (ids[rightAt] as number) > (ids[childAt] as number);
      const isRightWorse = difference < 0 || (difference === 0 && isRightLater);
      const worseAt = isRightWorse ? rightAt : childAt;
      highest.comparisonCount += 2;
      // The one that is offered comes last, so it is the worse of two equal ones.
      if ((scores[worseAt] as number) >= score) break;
      ids[at] = ids[worseAt] as number;
      scores[at] = scores[worseAt] as number;
      at = worseAt;
    }
    return at;
  }

  return highest;
}

/** Returns the probabilities of `logits`. The maximum is subtracted first, so that large logits do not overflow. */
export function softmax(logits: Float32Array): Float32Array {
  const highest = logits.reduce((max, logit) => Math.max(max, logit), -Infinity);
  const powers = logits.map((logit) => Math.exp(logit - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
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
