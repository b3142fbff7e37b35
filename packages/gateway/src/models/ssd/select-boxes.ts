import { type AnchorSize, cellCentre } from "./anchors.ts";
import { clippedBox, decodedBox, type Edges, intersectionOverUnion } from "./boxes.ts";
import type { HeadLayer } from "./head.ts";

export interface SelectOptions {
  /** Scores must be above this; 0..1. */
  readonly minScore: number;
  /** Intersection over union from which the better of two boxes of a class is kept; 0..1. */
  readonly iouThreshold: number;
  /** Best candidates, over all classes, that are looked at for overlaps. */
  readonly maxCandidates: number;
  readonly maxDetections: number;
}

export interface ScoredBox {
  /** Of the class, 0 being the background. */
  readonly classIndex: number;
  readonly score: number;
  /** Within the picture. */
  readonly edges: Edges;
}

/** The boxes of one picture, best first: scored, clipped, cut down to the best, and one for each object. */
export function selectedBoxes(
  layers: readonly HeadLayer[],
  options: SelectOptions,
): readonly ScoredBox[] {
  const candidates = layers.flatMap((layer) => candidatesOf(layer, options.minScore));
  const boxes = best(candidates, options.maxCandidates).map(scoredBox);
  return withoutOverlaps(boxes, options.iouThreshold).slice(0, options.maxDetections);
}

/** A class that an anchor may hold; its box is made only if it is among the best. */
interface Candidate {
  readonly head: HeadLayer;
  /** Which anchor of the layer: row-major, as the tensor is. */
  readonly place: number;
  readonly classIndex: number;
  readonly score: number;
}

/** One anchor may give several classes. */
function candidatesOf(head: HeadLayer, minScore: number): readonly Candidate[] {
  const { anchors, rows, columns, classCount, logits } = head;
  const found: Candidate[] = [];
  const isLikely = likelyAnchors(minScore);
  const placeCount = rows * columns * anchors.length;
  for (let place = 0; place < placeCount; place += 1) {
    const at = place * classCount;
    if (!isLikely(logits, at, classCount)) continue;
    for (const each of classesAbove(minScore, logits.subarray(at, at + classCount))) {
      found.push({ head, place, ...each });
    }
  }
  return found;
}

/** The best by score; of equal ones the finer layer, the earlier cell and the lower class come first. */
function best(candidates: readonly Candidate[], count: number): readonly Candidate[] {
  const byScore = (a: Candidate, b: Candidate) => b.score - a.score;
  if (candidates.length <= count) return candidates.toSorted(byScore);
  // Numbers alone are sorted many times faster than what they belong to.
  const scores = Float64Array.from(candidates, ({ score }) => score).sort();
  const least = scores[scores.length - count] as number;
  return candidates
    .filter(({ score }) => score >= least)
    .toSorted(byScore)
    .slice(0, count);
}

function scoredBox({ head, place, classIndex, score }: Candidate): ScoredBox {
  const { layer, anchors, columns, offsets } = head;
  const cell = Math.floor(place / anchors.length);
  const anchor = {
    ...(anchors[place % anchors.length] as AnchorSize),
    centreX: cellCentre(cell % columns, layer),
    centreY: cellCentre(Math.floor(cell / columns), layer),
  };
  return { classIndex, score, edges: clippedBox(decodedBox(anchor, offsets, place * 4)) };
}

/**
 * Most anchors hold nothing but background, and can be told without an exponential: a class's probability is at most
 * what it would be if there were only it and the background.
 */
function likelyAnchors(minScore: number) {
  const margin = Math.log(minScore / (1 - minScore));
  return (logits: Float32Array, at: number, classCount: number): boolean => {
    const least = (logits[at] as number) + margin;
    for (let index = 1; index < classCount; index += 1) {
      if ((logits[at + index] as number) >= least) return true;
    }
    return false;
  };
}

/** Classes other than the background whose probability, by softmax, is above `minScore`. */
function* classesAbove(minScore: number, logits: Float32Array) {
  const highest = logits.reduce((max, logit) => Math.max(max, logit), -Infinity);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - highest), 0);
  for (let classIndex = 1; classIndex < logits.length; classIndex += 1) {
    const score = Math.exp((logits[classIndex] as number) - highest) / sum;
    if (score > minScore) yield { classIndex, score };
  }
}

/** Greedy suppression, class by class. @param boxes - best first */
function withoutOverlaps(boxes: readonly ScoredBox[], threshold: number): readonly ScoredBox[] {
  const kept: ScoredBox[] = [];
  for (const box of boxes) {
    const isCovered = kept.some(
      ({ classIndex, edges }) =>
        classIndex === box.classIndex && intersectionOverUnion(edges, box.edges) >= threshold,
    );
    if (!isCovered) kept.push(box);
  }
  return kept;
}
