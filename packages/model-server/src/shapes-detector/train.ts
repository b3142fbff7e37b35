import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { type Random, seededRandom } from "@tensorgate/core";
import { ModelProtoSchema } from "@tensorgate/proto/onnx/onnx";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { Parameter } from "../shapes/network.ts";
import {
  adam,
  followStatistics,
  initialStatistics,
  rateAt,
  shuffled,
} from "../shapes/optimiser.ts";
import { gradientOf } from "../shapes/training-graph.ts";
import { allAnchors } from "./anchors.ts";
import { foundIn, quality } from "./evaluate.ts";
import { detectorBlocks, detectorParameters, sceneSizePx } from "./network.ts";
import { drawScene, type Scene, type SceneObject } from "./scene.ts";
import { detectorServingGraph } from "./serving-graph.ts";
import { batchTargets } from "./targets.ts";
import { detectorTrainingGraph, targetDepths } from "./training-graph.ts";

const { values: flags } = parseArgs({
  options: {
    scenes: { type: "string", default: "6000" },
    epochs: { type: "string", default: "14" },
    batch: { type: "string", default: "16" },
    threads: { type: "string", default: "2" },
    out: {
      type: "string",
      default: fileURLToPath(new URL("../../models/shapes-detector/1/model.onnx", import.meta.url)),
    },
  },
});

const batchSize = Number(flags.batch);
const trainingSeed = 11;
const heldOutSeed = 4_711;

await train();

/** Trains from scenes drawn on the spot, and writes the served model whenever an epoch is over. */
async function train(): Promise<void> {
  say(`drawing ${flags.scenes} scenes`);
  const random = seededRandom(trainingSeed);
  const scenes = drawn(Number(flags.scenes), random);
  const heldOut = drawn(200, seededRandom(heldOutSeed));

  const parameters = detectorParameters(7, classifierBlocks());
  const optimise = adam([...parameters.values()]);
  const session = await InferenceSession.create(detectorTrainingGraph(batchSize, parameters), {
    logSeverityLevel: 3,
    intraOpNumThreads: Number(flags.threads),
  });
  const statistics = initialStatistics(detectorBlocks);
  const stepsPerEpoch = Math.floor(scenes.length / batchSize);
  const totalSteps = stepsPerEpoch * Number(flags.epochs);
  const startMs = performance.now();
  let step = 0;
  for (let epoch = 1; epoch <= Number(flags.epochs); epoch += 1) {
    const order = shuffled(scenes.length, random);
    const losses = { classes: 0, boxes: 0 };
    for (let first = 0; first + batchSize <= order.length; first += batchSize) {
      step += 1;
      const chosen = [...order.subarray(first, first + batchSize)].map((which) =>
        augmented(scenes[which] ?? heldOut[0], random),
      );
      const feeds = batchFeeds(chosen);
      for (const [name, { shape, values }] of parameters) {
        feeds[name] = new Tensor("float32", values, [...shape]);
      }
      const result = await session.run(feeds);
      const floats = (name: string) => result[name]?.data as Float32Array;
      optimise(
        [...parameters.keys()].map((name) => floats(gradientOf(name))),
        { step, rate: rateAt(step, totalSteps) },
      );
      followStatistics(statistics, floats, step);
      losses.classes += (floats("class_loss")[0] ?? 0) / stepsPerEpoch;
      losses.boxes += (floats("box_loss")[0] ?? 0) / stepsPerEpoch;
      if (step % 50 === 0) {
        const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
        say(
          `step ${step} of ${totalSteps}, ${seconds} s, class loss ${(floats("class_loss")[0] ?? 0).toFixed(3)}, box loss ${(floats("box_loss")[0] ?? 0).toFixed(3)}`,
        );
      }
    }
    const served = detectorServingGraph(new Map([...parameters, ...statistics]));
    mkdirSync(dirname(flags.out), { recursive: true });
    writeFileSync(flags.out, served);
    const reached = quality(heldOut, await foundIn(served, heldOut, 0.05));
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
    say(
      `epoch ${epoch}: class loss ${losses.classes.toFixed(3)}, box loss ${losses.boxes.toFixed(3)}; held out: mAP ${reached.meanAveragePrecision.toFixed(4)}, precision ${reached.precision.toFixed(3)}, recall ${reached.recall.toFixed(3)}; ${seconds} s`,
    );
  }
  say(`wrote ${flags.out}`);
}

function drawn(count: number, random: Random): readonly Scene[] {
  return Array.from({ length: count }, () => drawScene(random, sceneSizePx));
}

/** The first blocks of the classifier see edges and strokes already. Their normalisation is folded in, and computed again. */
function classifierBlocks(): ReadonlyMap<string, Parameter> {
  const file = new URL("../../models/shapes/1/model.onnx", import.meta.url);
  const { graph } = fromBinary(ModelProtoSchema, readFileSync(file));
  return new Map(
    ["weights0", "weights1", "weights2"].flatMap(
      (name): readonly (readonly [string, Parameter])[] => {
        const found = graph?.initializer.find((each) => each.name === name);
        if (!found?.rawData) return [];
        const values = new Float32Array(new Uint8Array(found.rawData).buffer);
        return [[name, { shape: found.dims.map(Number), values }]];
      },
    ),
  );
}

/** Mirrors half of the scenes, inverts half, and exchanges colours: what is seen is the form. */
function augmented(scene: Scene | undefined, random: Random): Scene {
  if (!scene) throw new RangeError("there is no scene");
  const isMirrored = random.chance(0.5);
  const inverted = random.chance(0.5) ? 255 : 0;
  const turn = random.below(3);
  const pixels = new Uint8Array(scene.pixels.length);
  for (let y = 0; y < sceneSizePx; y += 1) {
    for (let x = 0; x < sceneSizePx; x += 1) {
      const from = (y * sceneSizePx + (isMirrored ? sceneSizePx - 1 - x : x)) * 3;
      const to = (y * sceneSizePx + x) * 3;
      for (let channel = 0; channel < 3; channel += 1) {
        pixels[to + channel] = (scene.pixels[from + ((channel + turn) % 3)] ?? 0) ^ inverted;
      }
    }
  }
  const objects = isMirrored ? scene.objects.map(mirrored) : scene.objects;
  return { pixels, objects };
}

function mirrored({ classIndex, box }: SceneObject): SceneObject {
  return { classIndex, box: { ...box, left: 1 - box.right, right: 1 - box.left } };
}

function batchFeeds(scenes: readonly Scene[]): Record<string, Tensor> {
  const pixels = new Uint8Array(scenes.length * sceneSizePx * sceneSizePx * 3);
  scenes.forEach((scene, index) => {
    pixels.set(scene.pixels, index * scene.pixels.length);
  });
  const targets = batchTargets(scenes.map(({ objects }) => objects));
  const rows = (values: Float32Array, depth: number) =>
    new Tensor("float32", values, [scenes.length, allAnchors.length, depth]);
  return {
    pictures: new Tensor("uint8", pixels, [scenes.length, sceneSizePx, sceneSizePx, 3]),
    target_classes: rows(targets.classes, targetDepths.target_classes),
    target_weights: rows(targets.weights, 1),
    target_offsets: rows(targets.offsets, 4),
    target_is_object: rows(targets.isObject, 1),
    per_object: new Tensor("float32", Float32Array.of(1 / targets.objectCount), []),
  };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
