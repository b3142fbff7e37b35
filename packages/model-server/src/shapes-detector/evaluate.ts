import { InferenceSession, Tensor } from "onnxruntime-node";
import { allAnchors, anchorsPerCell, boxFrom, detectingLayers, overlap } from "./anchors.ts";
import { detectorClassCount, sceneSizePx } from "./network.ts";
import type { Box, Scene } from "./scene.ts";

export interface Found {
  readonly classIndex: number;
  readonly score: number;
  readonly box: Box;
}

/** How good a detector is; all 0..1. */
export interface Quality {
  /** Mean over the classes of the area under precision by recall, at an overlap of one half. */
  readonly meanAveragePrecision: number;
  /** At a score above one half: how much of what it finds is there, and how much of what is there it finds. */
  readonly precision: number;
  readonly recall: number;
}

const ssdClassCount = 21;
const sameObject = 0.5;
const suppression = 0.45;

/** What a served detector finds in each scene, scores above `minScore`, best first. */
export async function foundIn(
  model: Uint8Array | string,
  scenes: readonly Scene[],
  minScore: number,
): Promise<readonly (readonly Found[])[]> {
  const session =
    typeof model === "string"
      ? await InferenceSession.create(model, { logSeverityLevel: 3 })
      : await InferenceSession.create(model, { logSeverityLevel: 3 });
  const found: (readonly Found[])[] = [];
  for (const { pixels } of scenes) {
    const images = new Tensor("float32", doubled(pixels), [1, 300, 300, 3]);
    const results = await session.run({ images });
    found.push(boxesFrom((name) => results[name]?.data as Float32Array, minScore));
  }
  await session.release();
  return found;
}

/** A scene at the size that the served model takes. */
function doubled(pixels: Uint8Array): Float32Array {
  const side = sceneSizePx * 2;
  return Float32Array.from({ length: side * side * 3 }, (_, at) => {
    const channel = at % 3;
    const x = Math.floor(at / 3) % side;
    const y = Math.floor(at / 3 / side);
    return pixels[((y >> 1) * sceneSizePx + (x >> 1)) * 3 + channel] ?? 0;
  });
}

function boxesFrom(output: (name: string) => Float32Array, minScore: number): readonly Found[] {
  const found: Found[] = [];
  let first = 0;
  for (const layer of detectingLayers) {
    const logits = output(`out_${layer.index}`);
    const offsets = output(`out_${layer.index + 6}`);
    const places = layer.cells ** 2 * anchorsPerCell(layer);
    for (let place = 0; place < places; place += 1) {
      const anchor = allAnchors[first + place];
      const row = logits.subarray(place * ssdClassCount, (place + 1) * ssdClassCount);
      const highest = Math.max(...row);
      const powers = Array.from(row, (logit) => Math.exp(logit - highest));
      const sum = powers.reduce((total, power) => total + power, 0);
      for (let classIndex = 1; classIndex < detectorClassCount; classIndex += 1) {
        const score = (powers[classIndex] ?? 0) / sum;
        if (score <= minScore || !anchor) continue;
        const box = boxFrom(anchor, offsets.subarray(place * 4, place * 4 + 4));
        found.push({ classIndex, score, box });
      }
    }
    first += places;
  }
  const kept: Found[] = [];
  for (const each of found.toSorted((a, b) => b.score - a.score).slice(0, 400)) {
    const isCovered = kept.some(
      ({ classIndex, box }) =>
        classIndex === each.classIndex && overlap(box, each.box) >= suppression,
    );
    if (!isCovered) kept.push(each);
  }
  return kept;
}

/** Compares what was found with what is there. */
export function quality(scenes: readonly Scene[], found: readonly (readonly Found[])[]): Quality {
  const judged = found.flatMap((ofScene, index) => judgedFinds(scenes[index], ofScene));
  const objects = scenes.flatMap((scene) => scene.objects);
  const precisions: number[] = [];
  for (let classIndex = 1; classIndex < detectorClassCount; classIndex += 1) {
    const total = objects.filter((object) => object.classIndex === classIndex).length;
    if (total === 0) continue;
    const ofClass = judged
      .filter((each) => each.classIndex === classIndex)
      .toSorted((a, b) => b.score - a.score);
    precisions.push(averagePrecision(ofClass, total));
  }
  const sure = judged.filter(({ score }) => score > 0.5);
  const right = sure.filter(({ isRight }) => isRight).length;
  return {
    meanAveragePrecision: precisions.reduce((sum, each) => sum + each, 0) / precisions.length,
    precision: sure.length === 0 ? 0 : right / sure.length,
    recall: right / objects.length,
  };
}

interface Judged extends Found {
  readonly isRight: boolean;
}

/** Every object counts once. @param found - best first */
function judgedFinds(scene: Scene | undefined, found: readonly Found[]): readonly Judged[] {
  const free = new Set(scene?.objects);
  return found.map((each) => {
    const match = [...free].find(
      ({ classIndex, box }) =>
        classIndex === each.classIndex && overlap(box, each.box) >= sameObject,
    );
    if (match) free.delete(match);
    return { ...each, isRight: match !== undefined };
  });
}

/** Area under the highest precision that is reached at each recall or beyond. */
function averagePrecision(judged: readonly Judged[], total: number): number {
  let right = 0;
  const points = judged.map(({ isRight }, index) => {
    right += isRight ? 1 : 0;
    return { recall: right / total, precision: right / (index + 1) };
  });
  let area = 0;
  let best = 0;
  let recall = points.at(-1)?.recall ?? 0;
  for (const point of points.toReversed()) {
    area += (recall - point.recall) * best;
    recall = point.recall;
    best = Math.max(best, point.precision);
  }
  return area + recall * best;
}
