import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { accuracyOf, countRight } from "./accuracy.ts";
import { trainingSizePx } from "./draw-picture.ts";
import { blockNames, blocks, classCount, initialParameters, type Parameter } from "./network.ts";
import { type Random, seededRandom } from "./random.ts";
import { servingGraph } from "./serving-graph.ts";
import {
  drawShapeData,
  heldOutSeed,
  pictureBytes,
  type ShapeData,
  trainingSeed,
} from "./shape-data.ts";
import { gradientOf, trainingGraph } from "./training-graph.ts";

const { values: flags } = parseArgs({
  options: {
    pictures: { type: "string", default: "19200" },
    epochs: { type: "string", default: "14" },
    batch: { type: "string", default: "64" },
    out: {
      type: "string",
      default: fileURLToPath(new URL("../../models/shapes/1/model.onnx", import.meta.url)),
    },
  },
});

const batchSize = Number(flags.batch);
const peakRate = 3e-3;
const weightDecay = 1e-2;
const labelSmoothing = 0.05;
const warmUpSteps = 60;

await train();

/** Trains from drawings made on the spot, and writes the served model. */
async function train(): Promise<void> {
  say(`drawing ${flags.pictures} pictures`);
  const data = drawShapeData(Number(flags.pictures), trainingSeed);
  const heldOut = drawShapeData(800, heldOutSeed);

  const parameters = initialParameters(42);
  const optimiser = adam([...parameters.values()]);
  const session = await InferenceSession.create(trainingGraph(batchSize, parameters), {
    logSeverityLevel: 3,
  });
  const statistics = new Map<string, Parameter>(
    blocks.flatMap(({ outputChannels: count }, index) => {
      const { mean, variance } = blockNames(index);
      return [
        [mean, { shape: [count], values: new Float32Array(count) }],
        [variance, { shape: [count], values: new Float32Array(count).fill(1) }],
      ] as const;
    }),
  );

  const random = seededRandom(5);
  const stepsPerEpoch = Math.floor(data.classes.length / batchSize);
  const totalSteps = stepsPerEpoch * Number(flags.epochs);
  const startMs = performance.now();
  let step = 0;
  for (let epoch = 1; epoch <= Number(flags.epochs); epoch += 1) {
    const order = shuffled(data.classes.length, random);
    let right = 0;
    for (let first = 0; first + batchSize <= order.length; first += batchSize) {
      step += 1;
      const batch = augmentedBatch(data, order.subarray(first, first + batchSize), random);
      const feeds: Record<string, Tensor> = { pictures: batch.pictures, targets: batch.targets };
      for (const [name, { shape, values }] of parameters) {
        feeds[name] = new Tensor("float32", values, [...shape]);
      }
      const result = await session.run(feeds);
      const floats = (name: string) => result[name]?.data as Float32Array;
      optimiser(
        [...parameters.keys()].map((name) => floats(gradientOf(name))),
        {
          step,
          rate: rateAt(step, totalSteps),
        },
      );
      follow(statistics, floats, step);
      right += countRight(floats("probabilities"), batch.classes);
    }
    const model = servingGraph(new Map([...parameters, ...statistics]), trainingSizePx);
    const accuracy = await accuracyOf(model, trainingSizePx, batchesOf(heldOut));
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
    const share = (right / (stepsPerEpoch * batchSize)).toFixed(4);
    say(`epoch ${epoch}: training ${share}, held out ${accuracy.toFixed(4)}, ${seconds} s`);
  }

  const served = servingGraph(new Map([...parameters, ...statistics]));
  mkdirSync(dirname(flags.out), { recursive: true });
  writeFileSync(flags.out, served);
  say(`wrote ${flags.out}, ${served.byteLength} bytes`);
}

/** Warms up, then falls along half a cosine. */
function rateAt(step: number, totalSteps: number): number {
  const warmUp = Math.min(1, step / warmUpSteps);
  return peakRate * warmUp * (0.5 + 0.5 * Math.cos((Math.PI * step) / totalSteps));
}

/**
 * Adam with decoupled weight decay on weights (not on biases and gains). Changes the parameters in place.
 *
 * @see Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019
 */
function adam(parameters: readonly Parameter[]) {
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

/** Running statistics of each block's normalisation, as inference uses them. */
function follow(
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

/** Shifts each picture by up to 3 pixels and inverts half of them: what is seen is the form, not the ink. */
function augmentedBatch({ pictures, classes }: ShapeData, order: Uint32Array, random: Random) {
  const size = trainingSizePx;
  const bytes = new Uint8Array(order.length * pictureBytes);
  const targets = new Float32Array(order.length * classCount).fill(labelSmoothing / classCount);
  const truths = Uint8Array.from(order, (which) => classes[which] ?? 0);
  const within = (position: number) => Math.min(size - 1, Math.max(0, position));
  order.forEach((which, row) => {
    const inverted = random.chance(0.5) ? 255 : 0;
    const dx = random.below(7) - 3;
    const dy = random.below(7) - 3;
    for (let y = 0; y < size; y += 1) {
      for (let x = 0; x < size; x += 1) {
        const from = which * pictureBytes + (within(y + dy) * size + within(x + dx)) * 3;
        const to = row * pictureBytes + (y * size + x) * 3;
        for (let channel = 0; channel < 3; channel += 1) {
          bytes[to + channel] = (pictures[from + channel] ?? 0) ^ inverted;
        }
      }
    }
    const target = row * classCount + (truths[row] ?? 0);
    targets[target] = (targets[target] ?? 0) + 1 - labelSmoothing;
  });
  return {
    pictures: new Tensor("uint8", bytes, [order.length, size, size, 3]),
    targets: new Tensor("float32", targets, [order.length, classCount]),
    classes: truths,
  };
}

/** Fisher and Yates. */
function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = random.below(last + 1);
    [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
  }
  return order;
}

function* batchesOf({ pictures, classes }: ShapeData) {
  for (let first = 0; first < classes.length; first += 100) {
    const last = Math.min(classes.length, first + 100);
    const bytes = pictures.subarray(first * pictureBytes, last * pictureBytes);
    yield { pictures: Float32Array.from(bytes), classes: classes.subarray(first, last) };
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
