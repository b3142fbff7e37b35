import { counted, InvalidRequestError, seededRandom } from "@tensorgate/core";
import { crossValidate } from "./cross-validation.ts";
import { copyDistance, findNearPairs, groupsOf, type NearPair } from "./duplicates.ts";
import { type Example, featureRows, maxClasses, selectRows } from "./feature-rows.ts";
import { fitHead } from "./fit-head.ts";
import { stratifiedFolds, stratifiedHoldout } from "./folds.ts";
import type { Head } from "./head.ts";
import {
  accuracyOf,
  confusionOf,
  countRight,
  hardestOf,
  type Prediction,
  predictionsFrom,
} from "./measures.ts";
import { logitsOf } from "./softmax-regression.ts";
import { standardisationOf, standardised } from "./standardise.ts";
import type { TeachingReport } from "./teaching-report.ts";

export interface TeachOptions {
  readonly classes: readonly string[];
  /**
   * Share of each class that is held out to measure the head by; 0..0.9.
   * @default 0.2
   */
  readonly holdout?: number;
  /**
   * Folds of the cross-validation, from which penalty and temperature are chosen; fewer for classes with fewer pictures.
   * @default 5
   */
  readonly foldCount?: number;
  /**
   * Same seed and pictures, same head.
   * @default 1
   */
  readonly seed?: number;
}

export const teachDefaults: Required<Omit<TeachOptions, "classes">> = {
  holdout: 0.2,
  foldCount: 5,
  seed: 1,
};

/** A head without its backbone, which the caller knows. */
export type TaughtHead = Omit<Head, "backbone" | "report">;

export interface Taught {
  readonly head: TaughtHead;
  readonly report: TeachingReport;
}

/** Pictures and pairs that a report names. */
const maxNamed = 10;

/**
 * Teaches a head on the features of labelled pictures.
 *
 * Penalty and temperature are chosen by folds of the pictures that are not held out; the report measures such a head on
 * those held out. The head that is returned is then fitted to all pictures. Near-duplicates are kept on one side of
 * every split where their class has other pictures.
 *
 * @throws InvalidRequestError if a class has fewer than 2 pictures, or there are too few or too many classes or pictures
 */
export function teach(examples: readonly Example[], options: TeachOptions): Taught {
  const { holdout, foldCount, seed } = { ...teachDefaults, ...options };
  const { classes: names } = options;
  assertClasses(examples, names);
  const rows = featureRows(examples);
  const classes = Int32Array.from(examples, ({ classIndex }) => classIndex);
  const random = seededRandom(seed);

  const pairs = findNearPairs(standardised(rows, standardisationOf(rows)));
  const groups = groupsOf(rows.rowCount, pairs);
  const held = stratifiedHoldout(classes, { share: holdout, random, groups });
  const isHeld = new Set(held);
  const kept = examples.flatMap((_, row) => (isHeld.has(row) ? [] : [row]));

  const keptClasses = Int32Array.from(kept, (row) => classes[row] as number);
  const keptRows = selectRows(rows, kept);
  const smallest = smallestClass(keptClasses, names.length);
  const folds = stratifiedFolds(keptClasses, {
    foldCount: Math.max(2, Math.min(foldCount, smallest)),
    random,
    groups: Int32Array.from(kept, (row) => groups[row] as number),
  });
  const data = { rows: keptRows, classes: keptClasses, classCount: names.length };
  const validated = crossValidate(data, folds);
  const { penalty, temperature } = validated;
  const inFolds = predictionsFrom(validated.logits, { rows: kept, classes, temperature });

  const inHoldout: readonly Prediction[] =
    held.length === 0 ? [] : predictionsFrom(heldOutLogits(), { rows: held, classes, temperature });
  const measured = held.length > 0 ? inHoldout : inFolds;
  const final = fitHead({ rows, classes, classCount: names.length }, { penalty, temperature });
  return {
    head: { classes: names, featureCount: rows.columnCount, ...final },
    report: {
      classes: names.map((name, k) => ({
        name,
        count: classes.filter((each) => each === k).length,
      })),
      seed,
      ...(held.length > 0 && { heldOut: accuracyOf(countRight(inHoldout), held.length) }),
      crossValidation: {
        ...accuracyOf(countRight(inFolds), kept.length),
        foldCount: Math.max(...folds) + 1,
      },
      confusion: confusionOf(measured, names.length),
      hardest: hardestOf([...inFolds, ...inHoldout], maxNamed).map(({ row, ...prediction }) => ({
        id: examples[row]?.id ?? "",
        actual: names[prediction.actual] ?? "",
        predicted: names[prediction.predicted] ?? "",
        score: prediction.score,
      })),
      duplicates: { count: pairs.length, nearest: pairs.slice(0, maxNamed).map(describedPair) },
      penalty,
      temperature,
    },
  };

  function heldOutLogits(): Float64Array {
    const fitted = fitHead(data, { penalty, temperature: 1 });
    const weights = new Float64Array(names.length * (rows.columnCount + 1));
    for (let k = 0; k < names.length; k += 1) {
      const at = k * (rows.columnCount + 1);
      weights.set(fitted.weights.subarray(k * rows.columnCount, (k + 1) * rows.columnCount), at);
      weights[at + rows.columnCount] = fitted.bias[k] as number;
    }
    return logitsOf(selectRows(rows, held), weights);
  }

  function describedPair({ first, second, distance }: NearPair) {
    return {
      first: examples[first]?.id ?? "",
      second: examples[second]?.id ?? "",
      distance: distance <= copyDistance ? 0 : distance,
      isAcrossClasses: classes[first] !== classes[second],
      isAcrossSplit: isHeld.has(first) !== isHeld.has(second),
    };
  }
}

function assertClasses(examples: readonly Example[], names: readonly string[]): void {
  if (names.length < 2 || names.length > maxClasses) {
    throw new InvalidRequestError(`a head needs 2 to ${maxClasses} classes, got ${names.length}`, {
      hint: "one folder, or one group of drawings, for each class",
    });
  }
  if (new Set(names).size < names.length) {
    throw new InvalidRequestError("two classes have the same name");
  }
  const counts = new Array<number>(names.length).fill(0);
  for (const { id, classIndex } of examples) {
    const count = counts[classIndex];
    if (count === undefined) {
      throw new InvalidRequestError(`picture "${id}" has class ${classIndex} of ${names.length}`);
    }
    counts[classIndex] = count + 1;
  }
  for (const [k, count] of counts.entries()) {
    if (count >= 2) continue;
    throw new InvalidRequestError(
      `class "${names[k]}" has ${counted(count, "picture")}; at least 2 are needed`,
      { hint: "some 20 pictures a class give good results" },
    );
  }
}

function smallestClass(classes: Int32Array, classCount: number): number {
  const counts = new Array<number>(classCount).fill(0);
  for (const each of classes) counts[each] = (counts[each] ?? 0) + 1;
  return Math.min(...counts);
}
