import type { Detections, LabelScore, Rectangle } from "@tensorgate/core";
import type { ComparisonCounts } from "./state.ts";

/** Overlap from which on two boxes of a class are the same thing. */
const sameBoxIou = 0.5;

/** Labels that count for `top5`. */
const topCount = 5;

/**
 * Compares what two versions say of one picture by its meaning.
 *
 * `top1` is 1 if the best labels are the same; `top5` is the share of the five best that both have; `distance` is half the
 * sum of the differences of their scores (0 for equal scores, 1 for none in common).
 */
export function comparedLabels(
  a: readonly LabelScore[],
  b: readonly LabelScore[],
): ComparisonCounts {
  const scores = new Map(a.map(({ label, score }) => [label, score]));
  const others = new Map(b.map(({ label, score }) => [label, score]));
  let distance = 0;
  for (const label of new Set([...scores.keys(), ...others.keys()])) {
    distance += Math.abs((scores.get(label) ?? 0) - (others.get(label) ?? 0)) / 2;
  }
  const top = a.slice(0, topCount);
  const inBoth = top.filter(({ label }) =>
    b.slice(0, topCount).some((each) => each.label === label),
  );
  const size = Math.max(top.length, Math.min(b.length, topCount));
  return {
    compared: 1,
    top1: a[0]?.label === b[0]?.label ? 1 : 0,
    top5: size === 0 ? 1 : inBoth.length / size,
    iou: 1,
    distance: Math.min(1, distance),
  };
}

/**
 * Compares boxes: each of `a` with the one of the same label in `b` that overlaps it most, best score first.
 *
 * `top1` is 1 if all boxes have a partner; `top5` is the share that has; `iou` is the mean overlap, 0 for a box without
 * partner; `distance` is the mean difference of scores, 1 for a box without partner.
 */
export function comparedBoxes(
  { boxes: a }: Pick<Detections, "boxes">,
  { boxes: b }: Pick<Detections, "boxes">,
): ComparisonCounts {
  const left = new Set(b);
  let matched = 0;
  let iou = 0;
  let distance = 0;
  for (const box of a) {
    let best: { readonly box: (typeof b)[number]; readonly overlap: number } | undefined;
    for (const other of left) {
      if (other.label !== box.label) continue;
      const overlap = overlapOf(box.normalized, other.normalized);
      if (overlap >= sameBoxIou && overlap > (best?.overlap ?? 0)) best = { box: other, overlap };
    }
    if (!best) continue;
    left.delete(best.box);
    matched += 1;
    iou += best.overlap;
    distance += Math.abs(box.score - best.box.score);
  }
  const count = a.length + left.size;
  if (count === 0) return { compared: 1, top1: 1, top5: 1, iou: 1, distance: 0 };
  return {
    compared: 1,
    top1: matched === count ? 1 : 0,
    top5: matched / count,
    iou: iou / count,
    distance: (distance + count - matched) / count,
  };
}

/** Intersection over union of two rectangles. */
function overlapOf(a: Rectangle, b: Rectangle): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (a.width * a.height + b.width * b.height - shared);
}
