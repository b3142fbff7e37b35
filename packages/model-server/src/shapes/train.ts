import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Random, seededRandom } from "@tensorgate/core";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { accuracyOf, countRight } from "./accuracy.ts";
import { trainingSizePx } from "./draw-picture.ts";
import { blocks, classCount, initialParameters } from "./network.ts";
import { adam, followStatistics, initialStatistics, rateAt, shuffled } from "./optimiser.ts";
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
const labelSmoothing = 0.05;

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
  const statistics = initialStatistics(blocks);

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
      followStatistics(statistics, floats, step);
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
