/** What a condition looks at. */
export const metrics = ["failures", "top1", "top5", "iou", "distance"] as const;

export type Metric = (typeof metrics)[number];

/** A condition that ends a rollout, such as more than 1 % failures. */
export interface AbortCondition {
  readonly metric: Metric;
  readonly is: "above" | "below";
  /** Share; 0..1. */
  readonly limit: number;
}

/** How a rollout swaps devices, each of which holds one version at a time. */
export interface DeviceTerms {
  /**
   * Devices that keep the old version until the new one is promoted. While devices are swapped afterwards, so many serve,
   * of either version.
   */
  readonly floor: number;
  /** Devices that served the model when the rollout began. */
  readonly count: number;
  /** Folder of the model, as a device sees it; empty if it finds the model by its name. */
  readonly basePath: string;
  /** How long a device may take to load a version, in milliseconds. */
  readonly timeoutMs: number;
}

/** What share of the calls a version gets, and when. */
export interface RolloutPlan {
  /** Version that is replaced. */
  readonly from: string;
  readonly to: string;
  /** Percent of the calls that `to` gets in each step, ascending; the last one is 100. */
  readonly steps: readonly number[];
  /** How long a step lasts. */
  readonly everyMs: number;
  readonly abortIf: readonly AbortCondition[];
  /** Calls or comparisons that a condition needs before it counts. */
  readonly minCalls: number;
  /** What keeps a caller at one version: its key, its session, or nothing. */
  readonly sticky: "key" | "session" | "none";
  /** Share of the calls that are shadowed, for the conditions that compare; 0..1. */
  readonly shadowShare: number;
  /** Present if the replicas are devices that hold one version at a time. */
  readonly devices?: DeviceTerms;
}

/**
 * Reads a condition such as `failures>1%` or `top1<0.98`.
 *
 * @throws RangeError that says what is expected
 */
export function parseCondition(text: string): AbortCondition {
  const found = /^\s*([a-z0-9]+)\s*([<>])\s*([0-9.]+)\s*(%?)\s*$/.exec(text);
  const [, metric, sign, number, percent] = found ?? [];
  const known = metrics.find((each) => each === metric);
  const limit = Number(number) / (percent ? 100 : 1);
  if (known && limit >= 0 && limit <= 1) {
    return { metric: known, is: sign === ">" ? "above" : "below", limit };
  }
  throw new RangeError(
    `"${text}" is not a condition; expected one such as failures>1% or top1<0.98, of ${metrics.join(", ")}`,
  );
}

/** Writes a condition as people write it. */
export function conditionText({ metric, is, limit }: AbortCondition): string {
  return `${metric}${is === "above" ? ">" : "<"}${Number((limit * 100).toFixed(4))}%`;
}

/** @throws RangeError if steps are not ascending shares of which the last is 100 */
export function assertPlan({ from, to, steps }: RolloutPlan): void {
  if (from === to) throw new RangeError(`version ${to} is the one in use already`);
  const isAscending = steps.every((step, at) => step > (steps[at - 1] ?? 0) && step <= 100);
  if (steps.length > 0 && isAscending && steps.at(-1) === 100) return;
  throw new RangeError(
    `steps must be ascending percentages up to 100, such as 5,25,50,100, got ${steps.join(",") || "none"}`,
  );
}
