import type { Random } from "@tensorgate/core";
import { type Block, blockNames, type Parameter } from "./network.ts";

const peakRate = 3e-3;
const weightDecay = 1e-2;
const warmUpSteps = 60;

/** Warms up, then falls along half a cosine. */
export function rateAt(step: number, totalSteps: number): number {
  const warmUp = Math.min(1, step / warmUpSteps);
  return peakRate * warmUp * (0.5 + 0.5 * Math.cos((Math.PI * step) / totalSteps));
}

/** Changes the parameters by one step along their gradients. */
type Optimise = (
  gradients: readonly Float32Array[],
  at: { readonly step: number; readonly rate: number },
) => void;

/**
 * Adam with decoupled weight decay on weights (not on biases and gains). Changes the parameters in place.
 *
 * @see Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019
 */
export function adam(parameters: readonly Parameter[]): Optimise {
  const first = parameters.map(({ values }) => new Float32Array(values.length));
  const second = parameters.map(({ values }) => new Float32Array(values.length));
  return (
    gradients: readonly Float32Array[],
    { step, rate }: { readonly step: number; readonly rate: number },
  ): void => {
    const firstBias = 1 - 0.9 ** step;
    const secondBias = 1 - 0.999 ** step;
    parameters.forEach(({ shape, values }, which) => {
      const gradient = gradients[which] ?? new Float32Array();
      const m = first[which] ?? new Float32Array();
      const v = second[which] ?? new Float32Array();
      const decay = shape.length > 1 ? weightDecay * rate : 0;
      for (let at = 0; at < values.length; at += 1) {
        const slope = gradient[at] ?? 0;
        const value = values[at] ?? 0;
        const mean = 0.9 * (m[at] ?? 0) + 0.1 * slope;
        const square = 0.999 * (v[at] ?? 0) + 0.001 * slope * slope;
        m[at] = mean;
        v[at] = square;
        const move = mean / firstBias / (Math.sqrt(square / secondBias) + 1e-8);
        values[at] = value - rate * move - decay * value;
      }
    });
  };
}

/** What each block's normalisation begins with: mean 0 and variance 1. */
export function initialStatistics(blocks: readonly Block[]): ReadonlyMap<string, Parameter> {
  return new Map(
    blocks.flatMap(({ outputChannels: count }, index) => {
      const { mean, variance } = blockNames(index);
      return [
        [mean, { shape: [count], values: new Float32Array(count) }],
        [variance, { shape: [count], values: new Float32Array(count).fill(1) }],
      ] as const;
    }),
  );
}

/** Running statistics of each block's normalisation, as inference uses them. */
export function followStatistics(
  statistics: ReadonlyMap<string, Parameter>,
  latest: (name: string) => Float32Array,
  step: number,
): void {
  const momentum = Math.min(0.97, 1 - 1 / step);
  for (const [name, { values }] of statistics) {
    const now = latest(name);
    values.forEach((value, at) => {
      values[at] = momentum * value + (1 - momentum) * (now[at] ?? 0);
    });
  }
}

/** Fisher and Yates. */
export function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = random.below(last + 1);
    [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
  }
  return order;
}
