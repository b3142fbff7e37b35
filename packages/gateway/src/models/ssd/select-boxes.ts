import {
  clippedBox,
  type ScoredBox,
  type SelectOptions,
  withoutOverlaps,
} from "../detection/edges.ts";
import { HighestScores } from "../output-values.ts";
import { type AnchorSize, cellCentre, decodedBox } from "./anchors.ts";
import type { HeadLayer } from "./head.ts";

/** The boxes of one picture, best first: scored, clipped, cut down to the best, and one for each object. */
export function selectedBoxes(
  layers: readonly HeadLayer[],
  options: SelectOptions,
): readonly ScoredBox[] {
  const boxes = bestCandidates(layers, options).map(scoredBox);
  const { iouThreshold, maxDetections } = options;
  const kept: ScoredBox[] = [];
  for (const box of withoutOverlaps(boxes, iouThreshold, "per-class")) {
    kept.push(box);
    if (kept.length === maxDetections) break;
  }
  return kept;
}

/** A class that an anchor may hold. */
interface Candidate {
  readonly head: HeadLayer;
  /** Which anchor of the layer: row-major, as the tensor is. */
  readonly place: number;
  readonly classIndex: number;
  readonly score: number;
}

/**
 * The best by score; of equal ones the finer layer, the earlier cell and the lower class come first. One anchor may give
 * several classes. A head has 200,000 of them, so that they are numbers until it is known which are the best.
 */
function bestCandidates(
  layers: readonly HeadLayer[],
  { minScore, maxCandidates }: SelectOptions,
): readonly Candidate[] {
  const highest = new HighestScores(maxCandidates);
  const isLikely = likelyAnchors(minScore);
  let firstId = 0;
  for (const { anchors, rows, columns, classCount, logits } of layers) {
    const valueCount = rows * columns * anchors.length * classCount;
    for (let at = 0; at < valueCount; at += classCount) {
      if (isLikely(logits, at, classCount)) {
        offerClasses(logits.subarray(at, at + classCount), {
          minScore,
          offer: (classIndex, score) => highest.offer(firstId + at + classIndex, score),
        });
      }
    }
    firstId += valueCount;
  }
  return highest.takeAll((id, score) => candidateAt(id, score, layers));
}

function candidateAt(id: number, score: number, layers: readonly HeadLayer[]): Candidate {
  let at = id;
  for (const head of layers) {
    const { anchors, rows, columns, classCount } = head;
    const valueCount = rows * columns * anchors.length * classCount;
    if (at < valueCount) {
      return { head, place: Math.floor(at / classCount), classIndex: at % classCount, score };
    }
    at -= valueCount;
  }
  throw new RangeError(`there is no candidate ${id}`);
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
 * Most anchors hold nothing but background, and are recognized without an exponential: a class's probability is at most
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

interface Offering {
  readonly minScore: number;
  readonly offer: (classIndex: number, score: number) => void;
}

/** Offers the classes other than the background whose probability, by softmax, is above `minScore`. */
function offerClasses(logits: Float32Array, { minScore, offer }: Offering): void {
  let highest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) highest = Math.max(highest, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - highest);
  for (let classIndex = 1; classIndex < logits.length; classIndex += 1) {
    const score = Math.exp((logits[classIndex] as number) - highest) / sum;
    if (score > minScore) offer(classIndex, score);
  }
}
