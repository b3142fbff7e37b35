/** Returns the value at `point`, and writes the gradient there into `gradient`. */
export type Objective = (point: Float64Array, gradient: Float64Array) => number;

export interface MinimiseOptions {
  /** Steps at most. */
  readonly maxSteps: number;
  /** It ends when a step improves the value by less than this. */
  readonly tolerance: number;
}

export interface Minimum {
  readonly point: Float64Array;
  readonly value: number;
  readonly stepCount: number;
}

/** Steps whose curvature is remembered. */
const memory = 10;

/** Share of the decrease that the gradient promises which a step must reach (Armijo). */
const sufficientDecrease = 1e-4;

/**
 * Minimises a smooth convex function by L-BFGS with backtracking.
 *
 * @param start - not changed
 * @see Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 7.5
 */
export function minimise(
  objective: Objective,
  start: Float64Array,
  { maxSteps, tolerance }: MinimiseOptions,
): Minimum {
  const pairs: CurvaturePair[] = [];
  let point = Float64Array.from(start);
  let gradient = new Float64Array(start.length);
  let value = objective(point, gradient);
  for (let step = 1; step <= maxSteps; step += 1) {
    const direction = descentDirection(gradient, pairs);
    const slope = dot(gradient, direction);
    if (!(slope < 0)) return { point, value, stepCount: step - 1 };
    // Without curvature the length of the gradient means nothing: the first step has at most length 1.
    let length = pairs.length > 0 ? 1 : Math.min(1, 1 / Math.sqrt(-slope));
    const nextGradient = new Float64Array(start.length);
    let next = moved(point, direction, length);
    let nextValue = objective(next, nextGradient);
    while (!(nextValue <= value + sufficientDecrease * length * slope)) {
      length /= 2;
      if (length < 1e-12) return { point, value, stepCount: step - 1 };
      next = moved(point, direction, length);
      nextValue = objective(next, nextGradient);
    }
    const change = difference(next, point);
    const gradientChange = difference(nextGradient, gradient);
    const curvature = dot(change, gradientChange);
    if (curvature > 1e-12) {
      pairs.push({ change, gradientChange, curvature });
      if (pairs.length > memory) pairs.shift();
    }
    const improvement = value - nextValue;
    point = next;
    gradient = nextGradient;
    value = nextValue;
    if (improvement < tolerance) return { point, value, stepCount: step };
  }
  return { point, value, stepCount: maxSteps };
}

interface CurvaturePair {
  readonly change: Float64Array;
  readonly gradientChange: Float64Array;
  readonly curvature: number;
}

/** Returns the gradient, downwards, times the inverse of the curvature that the pairs estimate. */
function descentDirection(
  gradient: Float64Array,
  pairs: readonly CurvaturePair[],
): Float64Array<ArrayBuffer> {
  const direction = gradient.map((each) => -each);
  const shares: number[] = [];
  for (const { change, gradientChange, curvature } of pairs.toReversed()) {
    const share = dot(change, direction) / curvature;
    shares.push(share);
    addTo(direction, gradientChange, -share);
  }
  const last = pairs.at(-1);
  if (last) {
    const scale = last.curvature / dot(last.gradientChange, last.gradientChange);
    for (let at = 0; at < direction.length; at += 1)
      direction[at] = (direction[at] as number) * scale;
  }
  for (const { change, gradientChange, curvature } of pairs) {
    const share = shares.pop() ?? 0;
    addTo(direction, change, share - dot(gradientChange, direction) / curvature);
  }
  return direction;
}

function moved(
  from: Float64Array,
  direction: Float64Array,
  length: number,
): Float64Array<ArrayBuffer> {
  const to = Float64Array.from(from);
  addTo(to, direction, length);
  return to;
}

function difference(a: Float64Array, b: Float64Array): Float64Array<ArrayBuffer> {
  const result = Float64Array.from(a);
  addTo(result, b, -1);
  return result;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at += 1) sum += (a[at] as number) * (b[at] as number);
  return sum;
}

/** Adds `factor * values` to `target`. */
function addTo(target: Float64Array, values: Float64Array, factor: number): void {
  for (let at = 0; at < target.length; at += 1) {
    target[at] = (target[at] as number) + factor * (values[at] as number);
  }
}
