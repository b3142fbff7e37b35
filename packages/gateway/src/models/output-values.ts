import {
  float32Values,
  floatValues,
  isFloat,
  listedNames,
  type Tensor,
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
  const heap: HighScore[] = [];
  let comparisonCount = 0;

  /** Returns a negative number if `a` is the better. */
  const compare = (a: HighScore, b: HighScore): number => {
    comparisonCount += 1;
    return b.score - a.score || a.id - b.id;
  };

  return {
    get comparisonCount() {
      return comparisonCount;
    },
    get floor() {
      return heap.length < count ? Number.NEGATIVE_INFINITY : (heap[0]?.score ?? 0);
    },
    offer: (id, score) => {
      const root = heap[0];
      if (heap.length < count || !root) {
        const entry = { id, score };
        let at = heap.length;
        while (at > 0) {
          const parentAt = (at - 1) >> 1;
          const parent = heap[parentAt] as HighScore;
          if (compare(entry, parent) < 0) break;
          heap[at] = parent;
          at = parentAt;
        }
        heap[at] = entry;
      } else if (score > root.score) {
        const entry = { id, score };
        let at = 0;
        for (;;) {
          let childAt = 2 * at + 1;
          let child = heap[childAt];
          if (!child) break;
          const right = heap[childAt + 1];
          if (right && compare(right, child) > 0) {
            child = right;
            childAt += 1;
          }
          if (compare(child, entry) < 0) break;
          heap[at] = child;
          at = childAt;
        }
        heap[at] = entry;
      }
    },
    all: () => heap.toSorted(compare),
  };
}
