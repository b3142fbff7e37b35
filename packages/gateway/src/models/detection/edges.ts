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
