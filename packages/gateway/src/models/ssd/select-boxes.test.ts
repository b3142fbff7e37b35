import { float32Tensor, type Tensor } from "@tensorgate/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { SelectOptions } from "../detection/edges.ts";
import { headLayers } from "./head.ts";
import { selectedBoxes } from "./select-boxes.ts";

const names = Array.from({ length: 12 }, (_, index) => `out_${index}`);
const grids = [37, 19, 10, 5, 3, 1];
const anchorCounts = [4, 6, 6, 6, 4, 4];
const defaults: SelectOptions = {
  minScore: 0.5,
  iouThreshold: 0.45,
  maxCandidates: 400,
  maxDetections: 400,
};

interface HeadOptions {
  /** Cells of the finest layer along one side. */
  readonly finest?: number;
  readonly hasBatchAxis?: boolean;
  /** Class logit, or offset, at a place of a layer. */
  readonly value: (isLogit: boolean) => number;
}

function head({ finest = 37, hasBatchAxis = true, value }: HeadOptions): Map<string, Tensor> {
  return new Map(
    names.map((name, index) => {
      const layer = index % 6;
      const cells = layer === 0 ? finest : (grids[layer] ?? 0);
      const depth = index < 6 ? 21 : 4;
      const shape = [cells, cells, anchorCounts[layer] ?? 0, depth];
      const length = shape.reduce((product, extent) => product * extent, 1);
      const values = Float32Array.from({ length }, () => value(index < 6));
      return [name, float32Tensor(hasBatchAxis ? [1, ...shape] : shape, values)];
    }),
  );
}

/** A seeded stream of numbers in [0, 1). */
function draws(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Mostly background, with some classes that stand out. */
function randomHead(seed: number, options: Omit<HeadOptions, "value"> = {}): Map<string, Tensor> {
  const draw = draws(seed);
  return head({
    ...options,
    value: (isLogit) => (isLogit ? (draw() < 0.002 ? 9 : 0) + draw() * 3 : draw() * 4 - 2),
  });
}

interface PlainBox {
  readonly classIndex: number;
  readonly score: number;
  /** Top, left, bottom, right. */
  readonly edges: readonly number[];
}

/** The arithmetic once more, as the specification reads, with neither shortcut nor thought for time. */
function secondOpinion(outputs: Map<string, Tensor>, options: SelectOptions): PlainBox[] {
  const steps = [8, 16, 32, 64, 100, 300];
  const sides = [21, 45, 99, 153, 207, 261, 315];
  const found: PlainBox[] = [];
  for (let layer = 0; layer < 6; layer += 1) {
    const logits = outputs.get(`out_${layer}`) as Extract<Tensor, { data: unknown }>;
    const offsets = outputs.get(`out_${layer + 6}`) as Extract<Tensor, { data: unknown }>;
    const scores = new Float32Array(logits.data.buffer);
    const moves = new Float32Array(offsets.data.buffer);
    const cells = logits.shape[logits.shape.length - 4] ?? 0;
    const side = sides[layer] ?? 0;
    const next = sides[layer + 1] ?? 0;
    const ratios = (anchorCounts[layer] ?? 0) === 4 ? [2, 0.5] : [2, 0.5, 3, 1 / 3];
    const anchors = [
      [side / 300, side / 300],
      [Math.sqrt(side * next) / 300, Math.sqrt(side * next) / 300],
      ...ratios.map((r) => [side / 300 / Math.sqrt(r), (side / 300) * Math.sqrt(r)]),
    ];
    let place = 0;
    for (let y = 0; y < cells; y += 1) {
      for (let x = 0; x < cells; x += 1) {
        for (const [h = 0, w = 0] of anchors) {
          const row = [...scores.subarray(place * 21, place * 21 + 21)];
          const max = Math.max(...row);
          const powers = row.map((value) => Math.exp(value - max));
          const sum = powers.reduce((total, power) => total + power, 0);
          const [t0 = 0, t1 = 0, t2 = 0, t3 = 0] = moves.subarray(place * 4, place * 4 + 4);
          const step = (steps[layer] ?? 0) / 300;
          const cx = t0 * w * 0.1 + (x + 0.5) * step;
          const cy = t1 * h * 0.1 + (y + 0.5) * step;
          const width = w * Math.exp(0.2 * t2);
          const height = h * Math.exp(0.2 * t3);
          const edges = [cy - height / 2, cx - width / 2, cy + height / 2, cx + width / 2];
          powers.forEach((power, classIndex) => {
            if (classIndex === 0 || !(power / sum > options.minScore)) return;
            const clipped = edges.map((edge) => Math.min(1, Math.max(0, edge)));
            found.push({ classIndex, score: power / sum, edges: clipped });
          });
          place += 1;
        }
      }
    }
  }
  const best = found.toSorted((a, b) => b.score - a.score).slice(0, options.maxCandidates);
  const kept: PlainBox[] = [];
  for (const box of best) {
    const rivals = kept.filter(({ classIndex }) => classIndex === box.classIndex);
    if (rivals.every((rival) => overlap(rival.edges, box.edges) < options.iouThreshold)) {
      kept.push(box);
    }
  }
  return kept.slice(0, options.maxDetections);
}

function overlap(a: readonly number[], b: readonly number[]): number {
  const [t = 0, l = 0, u = 0, r = 0] = a;
  const [t2 = 0, l2 = 0, u2 = 0, r2 = 0] = b;
  const both =
    Math.max(0, Math.min(u, u2) - Math.max(t, t2)) * Math.max(0, Math.min(r, r2) - Math.max(l, l2));
  const either = (u - t) * (r - l) + (u2 - t2) * (r2 - l2) - both;
  return either === 0 ? 0 : both / either;
}

function plain(boxes: ReturnType<typeof selectedBoxes>): PlainBox[] {
  return boxes.map(({ classIndex, score, edges: { top, left, bottom, right } }) => ({
    classIndex,
    score,
    edges: [top, left, bottom, right],
  }));
}

function assertSame(boxes: readonly PlainBox[], expected: readonly PlainBox[]): void {
  expect(boxes.map(({ classIndex }) => classIndex)).toEqual(
    expected.map(({ classIndex }) => classIndex),
  );
  boxes.forEach(({ score, edges }, index) => {
    expect(Math.abs(score - (expected[index]?.score ?? Number.NaN))).toBeLessThan(1e-5);
    edges.forEach((edge, which) => {
      expect(Math.abs(edge - (expected[index]?.edges[which] ?? Number.NaN))).toBeLessThan(1e-5);
    });
  });
}

test("random heads give the boxes that the specification's arithmetic gives", () => {
  const anyOptions = fc.record({
    minScore: fc.constantFrom(0, 0.04, 0.2, 0.5, 0.9),
    iouThreshold: fc.constantFrom(0, 0.3, 0.45, 1),
    maxCandidates: fc.constantFrom(1, 50, 400),
    maxDetections: fc.constantFrom(1, 20, 400),
  });
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(37, 38), anyOptions, (seed, finest, options) => {
      const outputs = randomHead(seed, { finest });
      const boxes = plain(selectedBoxes(headLayers(names, outputs), options));

      assertSame(boxes, secondOpinion(outputs, options));
    }),
    { numRuns: 12 },
  );
});

test("a head without a batch axis gives the same boxes", () => {
  const withAxis = selectedBoxes(headLayers(names, randomHead(7)), defaults);
  const without = selectedBoxes(
    headLayers(names, randomHead(7, { hasBatchAxis: false })),
    defaults,
  );

  expect(withAxis.length).toBeGreaterThan(5);
  expect(without).toEqual(withAxis);
});

test("an anchor gives several classes where the threshold is low", () => {
  const outputs = head({ value: () => 0 });
  const logits = outputs.get("out_5") as Extract<Tensor, { data: unknown }>;
  new Float32Array(logits.data.buffer).set([0, 5, 5], 0);

  const boxes = selectedBoxes(headLayers(names, outputs), { ...defaults, minScore: 0.4 });

  expect(boxes.map(({ classIndex }) => classIndex)).toEqual([1, 2]);
});

test("a score exactly at the threshold is not enough", () => {
  const outputs = head({ value: (isLogit) => (isLogit ? -200 : 0) });
  const logits = outputs.get("out_5") as Extract<Tensor, { data: unknown }>;
  new Float32Array(logits.data.buffer).set([0, 0], 0);

  expect(selectedBoxes(headLayers(names, outputs), defaults)).toEqual([]);
});

test.each([
  { change: (outputs: Map<string, Tensor>) => outputs.delete("out_3"), text: 'no output "out_3"' },
  {
    change: (outputs: Map<string, Tensor>) =>
      outputs.set("out_9", float32Tensor([1, 4, 5, 6, 4], new Float32Array(480))),
    text: "do not match",
  },
  {
    change: (outputs: Map<string, Tensor>) =>
      outputs.set("out_1", float32Tensor([361, 126], new Float32Array(361 * 126))),
    text: "expected floating-point numbers [1, rows, columns, anchors, values]",
  },
  {
    change: (outputs: Map<string, Tensor>) =>
      outputs.set("out_4", float32Tensor([1, 3, 3, 6, 21], new Float32Array(9 * 126))),
    text: "has 6 anchors per cell; expected 4",
  },
  {
    change: (outputs: Map<string, Tensor>) =>
      outputs.set("out_5", float32Tensor([1, 1, 1, 4, 21], new Float32Array(84).fill(Number.NaN))),
    text: 'output "out_5" contains NaN at index 0',
  },
])("a head that is none is told: $text", ({ change, text }) => {
  const outputs = head({ value: () => 0 });
  change(outputs);

  expect(() => headLayers(names, outputs)).toThrow(text);
});
