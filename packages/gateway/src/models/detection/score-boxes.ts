import { counted, UpstreamFailedError } from "@tensorgate/core";
import type { DetectorFormat } from "@tensorgate/tf-serving";
import { HighestScores } from "../output-values.ts";
import { type BoxColumn, type BoxTable, columnValue } from "./box-table.ts";

/** A box that may be an answer, where the table has it. */
export interface Candidate {
  readonly row: number;
  readonly classIndex: number;
  readonly score: number;
}

export interface ScoreOptions {
  /** Scores must be above this; 0..1. */
  readonly minScore: number;
  readonly maxCandidates: number;
}

/** Probabilities may exceed 1 by the rounding of half-precision floats. */
const maxProbability = 1.001;

/** Picks the boxes with the highest scores; of equal ones the earlier box and the lower class come first. */
export function bestCandidates(
  table: BoxTable,
  format: DetectorFormat,
  options: ScoreOptions,
): readonly Candidate[] {
  if (table.score) return bestOfSingleScores(table.score, table, { format, ...options });
  if (table.classScores) return bestOfClasses(table.classScores, table, { format, ...options });
  throw new RangeError("a detector has a score, or scores of classes");
}

interface Scoring extends ScoreOptions {
  readonly format: DetectorFormat;
}

function bestOfSingleScores(
  scores: BoxColumn,
  { rowCount, class: classes }: BoxTable,
  { format, minScore, maxCandidates }: Scoring,
): readonly Candidate[] {
  const { background, classOffset } = format;
  const activate = activationOf(format);
  const firstClass = background === "first" ? 1 : 0;
  const classOf = (row: number) =>
    classes ? Math.round(columnValue(classes, row)) - classOffset : firstClass;
  const highest = new HighestScores(maxCandidates);
  for (let row = 0; row < rowCount; row += 1) {
    const score = activate(columnValue(scores, row));
    if (score <= minScore || classOf(row) < firstClass) continue;
    highest.offer(row, probability(score, scores.name));
  }
  return highest.takeAll((row, score) => ({ row, classIndex: classOf(row), score }));
}

/** Runs for millions of values, so that nothing is made for those that are no candidates. */
function bestOfClasses(
  scores: BoxColumn,
  { rowCount, objectness }: BoxTable,
  { format, minScore, maxCandidates }: Scoring,
): readonly Candidate[] {
  const { classOffset, multiLabel } = format;
  const { values, start, rowStride, valueStride, width } = scores;
  const classes = classRange(format, scores);
  const scorer = rowScorer(format, scores);
  const activate = activationOf(format);
  const highest = new HighestScores(maxCandidates);
  for (let row = 0; row < rowCount; row += 1) {
    const isObject = objectness ? activate(columnValue(objectness, row)) : 1;
    // No score of a class is above 1.
    if (isObject <= minScore) continue;
    const from = start + row * rowStride;
    let best = classes.first;
    let highestValue = values[from + best * valueStride] as number;
    for (let index = best + 1; index < classes.end; index += 1) {
      const value = values[from + index * valueStride] as number;
      if (value > highestValue) {
        highestValue = value;
        best = index;
      }
    }
    const score = scorer(from, best, minScore) * isObject;
    if (score <= minScore) continue;
    if (!multiLabel) {
      highest.offer(row * width + best, probability(score, scores.name));
      continue;
    }
    for (let index = classes.first; index < classes.end; index += 1) {
      const each = scorer(from, index, minScore) * isObject;
      if (each > minScore) highest.offer(row * width + index, probability(each, scores.name));
    }
  }
  return highest.takeAll((id, score) => ({
    row: Math.floor(id / width),
    classIndex: (id % width) - classOffset,
    score,
  }));
}

/** @throws UpstreamFailedError if there is no class but the background */
function classRange({ background }: DetectorFormat, { name, width }: BoxColumn) {
  const first = background === "first" ? 1 : 0;
  const end = background === "last" ? width - 1 : width;
  if (first < end) return { first, end };
  throw new UpstreamFailedError(
    `output "${name}" has ${counted(width, "score")} per box, the background's included; expected more`,
  );
}

/** Score of one class of the box whose values begin at `from`; anything up to `minScore` if it is not above that. */
type ScoreClass = (from: number, index: number, minScore: number) => number;

function rowScorer(format: DetectorFormat, { values, valueStride, width }: BoxColumn): ScoreClass {
  const valueAt = (from: number, index: number) => values[from + index * valueStride] as number;
  if (format.activation !== "softmax") {
    const activate = activationOf(format);
    return (from, index) => activate(valueAt(from, index));
  }
  return (from, index, minScore) => {
    const own = valueAt(from, index);
    // Relative to the class itself, whose share is one of the sum: once that is too large, the rest does not matter.
    let sum = 0;
    for (let other = 0; other < width; other += 1) {
      sum += Math.exp(valueAt(from, other) - own);
      if (sum * minScore > 1) return 0;
    }
    return 1 / sum;
  };
}

function activationOf({ activation }: DetectorFormat): (value: number) => number {
  return activation === "sigmoid" ? (value) => 1 / (1 + Math.exp(-value)) : (value) => value;
}

/** @throws UpstreamFailedError if a score is no probability, which a wrong activation shows by */
function probability(score: number, name: string): number {
  if (score <= 1) return score;
  if (score <= maxProbability) return 1;
  throw new UpstreamFailedError(`output "${name}" gives the score ${score}; expected 0 to 1`, {
    hint: "set detector.activation to sigmoid or softmax if the model gives logits",
  });
}
