import type { Point } from "./outlines.ts";

/** Paths in pixels, on a square of `sizePx`. */
export type PixelPaths = readonly (readonly Point[])[];

/** Stands for "farther than anything drawn". */
const farAway = 1e9;

/**
 * Squared distance from each pixel's centre to the nearest path, as far as `reachPx`; beyond that it is large.
 *
 * @param isClosed - whether each path ends where it began
 * @returns `[sizePx × sizePx]`, row-major
 */
export function squaredDistances(
  paths: PixelPaths,
  { isClosed, reachPx, sizePx }: { isClosed: boolean; reachPx: number; sizePx: number },
): Float32Array {
  const distances = new Float32Array(sizePx * sizePx).fill(farAway);
  for (const path of paths) {
    for (const [from, to] of segmentsOf(path, isClosed)) {
      const left = Math.max(0, Math.floor(Math.min(from[0], to[0]) - reachPx));
      const right = Math.min(sizePx - 1, Math.ceil(Math.max(from[0], to[0]) + reachPx));
      const top = Math.max(0, Math.floor(Math.min(from[1], to[1]) - reachPx));
      const bottom = Math.min(sizePx - 1, Math.ceil(Math.max(from[1], to[1]) + reachPx));
      for (let y = top; y <= bottom; y += 1) {
        for (let x = left; x <= right; x += 1) {
          const distance = squaredDistanceToSegment([x + 0.5, y + 0.5], from, to);
          const index = y * sizePx + x;
          if (distance < (distances[index] ?? 0)) distances[index] = distance;
        }
      }
    }
  }
  return distances;
}

function segmentsOf(
  path: readonly Point[],
  isClosed: boolean,
): readonly (readonly [Point, Point])[] {
  const [first] = path;
  const last = path.at(-1);
  if (!first || !last) return [];
  const inner = path.slice(1).map((point, index) => [path[index] ?? first, point] as const);
  return isClosed ? [[last, first], ...inner] : inner;
}

/** Squared distance from `point` to the segment between `from` and `to`. */
export function squaredDistanceToSegment(point: Point, from: Point, to: Point): number {
  const dx = to[0] - from[0];
  const dy = to[1] - from[1];
  const along =
    ((point[0] - from[0]) * dx + (point[1] - from[1]) * dy) / (dx * dx + dy * dy + 1e-9);
  const t = Math.min(1, Math.max(0, along));
  const ex = point[0] - from[0] - t * dx;
  const ey = point[1] - from[1] - t * dy;
  return ex * ex + ey * ey;
}

/**
 * Which pixels' centres lie inside, by the even-odd rule.
 *
 * @returns `[sizePx × sizePx]`, row-major, 1 inside
 */
export function insideMask(paths: PixelPaths, sizePx: number): Uint8Array {
  const mask = new Uint8Array(sizePx * sizePx);
  for (let y = 0; y < sizePx; y += 1) {
    const crossings = paths
      .flatMap((path) => segmentsOf(path, true))
      .flatMap(([from, to]) => {
        if (from[1] > y + 0.5 === to[1] > y + 0.5) return [];
        return [from[0] + ((to[0] - from[0]) * (y + 0.5 - from[1])) / (to[1] - from[1])];
      })
      .sort((a, b) => a - b);
    for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
      const start = crossings[pair] ?? 0;
      const end = crossings[pair + 1] ?? 0;
      const first = Math.max(0, Math.ceil(start - 0.5));
      for (let x = first; x < sizePx && x + 0.5 < end; x += 1) mask[y * sizePx + x] = 1;
    }
  }
  return mask;
}
