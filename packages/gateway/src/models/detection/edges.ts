/** A box by its edges, in fractions of the picture. */
export interface Edges {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** Clips a box to the picture. */
export function clippedBox({ top, left, bottom, right }: Edges): Edges {
  return { top: within(top), left: within(left), bottom: within(bottom), right: within(right) };
}

function within(position: number): number {
  return Math.min(1, Math.max(0, position));
}

/** Share of what two boxes cover that both cover; 0 for boxes without any extent. */
export function intersectionOverUnion(a: Edges, b: Edges): number {
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  if (height <= 0 || width <= 0) return 0;
  const both = height * width;
  const either = area(a) + area(b) - both;
  return either > 0 ? both / either : 0;
}

function area({ top, left, bottom, right }: Edges): number {
  return (bottom - top) * (right - left);
}

export interface SelectOptions {
  /** Scores must be above this; 0..1. */
  readonly minScore: number;
  /** Intersection over union from which the better of two boxes of a class is kept; 0..1. */
  readonly iouThreshold: number;
  /** Best candidates, over all classes, that are checked for overlaps: each is compared with the kept ones of its class. */
  readonly maxCandidates: number;
  readonly maxDetections: number;
}

export interface ScoredBox {
  /** Position of the class in the labels. */
  readonly classIndex: number;
  readonly score: number;
  readonly edges: Edges;
}

/**
 * Suppresses boxes that overlap a better one by `iouThreshold` or more, greedily: lazily, so that a caller who has
 * enough of them need not compare the rest.
 *
 * @param boxes - best first
 * @param scope - whether boxes of one class are compared, or all
 */
export function* withoutOverlaps(
  boxes: readonly ScoredBox[],
  iouThreshold: number,
  scope: "per-class" | "class-agnostic",
): Generator<ScoredBox, void, undefined> {
  const keptOfClass = new Map<number, Edges[]>();
  for (const box of boxes) {
    const group = scope === "per-class" ? box.classIndex : 0;
    const kept = keptOfClass.get(group) ?? [];
    if (kept.some((each) => intersectionOverUnion(each, box.edges) >= iouThreshold)) continue;
    keptOfClass.set(group, kept);
    kept.push(box.edges);
    yield box;
  }
}
