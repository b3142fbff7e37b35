import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { float32Tensor, placementOf, type Resize, type Tensor } from "@tensorgate/core";
import { type DetectorOptions, detectorFormat } from "@tensorgate/tf-serving";
import { beforeAll, expect, test } from "vitest";
import { boxTable } from "../../packages/gateway/src/models/detection/box-table.ts";
import { decodedBoxes } from "../../packages/gateway/src/models/detection/decode-boxes.ts";

// The same random outputs, decoded by the gateway and by torchvision.

const root = fileURLToPath(new URL("../..", import.meta.url));
const venv = join(root, ".tensorgate", "torch");
/** A Python with torchvision, or `install` to make one: it is 5 GB, and kept. */
const setting = process.env["TENSORGATE_TORCH"] ?? "";
const python = setting === "" || setting === "install" ? join(venv, "bin", "python") : setting;

/** Why there is no torchvision; undefined if there is. */
function missingTorchvision(): string | undefined {
  try {
    if (setting === "install") {
      if (!existsSync(python)) execFileSync("python3", ["-m", "venv", venv]);
      execFileSync(python, ["-m", "pip", "install", "--quiet", "torch", "torchvision"]);
    }
    execFileSync(python, ["-c", "import torchvision"], { stdio: "ignore" });
    return undefined;
  } catch {
    return setting === "install"
      ? "PyPI is out of reach"
      : "set TENSORGATE_TORCH=install, or to a Python that has torchvision";
  }
}

/** A seeded stream of numbers in [0, 1). */
function draws(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

type Outputs = Readonly<Record<string, { shape: readonly number[]; values: readonly number[] }>>;

interface Case {
  /** Function of the script. */
  readonly form: string;
  readonly detector: DetectorOptions;
  readonly outputs: Outputs;
  readonly resize?: Resize;
  readonly width: number;
  readonly height: number;
  readonly minScore: number;
  readonly iouThreshold: number;
  readonly maxCandidates: number;
  readonly maxDetections: number;
  readonly [more: string]: unknown;
}

const limits = { iouThreshold: 0.5, maxCandidates: 400, maxDetections: 400 };

/** Corners of boxes within a picture. */
function corners(draw: () => number, count: number, width: number, height: number): number[] {
  return Array.from({ length: count }, () => {
    const [left, top] = [draw() * width * 0.7, draw() * height * 0.7];
    return [left, top, left + draw() * width * 0.3, top + draw() * height * 0.3];
  }).flat();
}

function casesFor(seed: number): readonly Case[] {
  const draw = draws(seed);
  const many = (count: number, value: () => number) => Array.from({ length: count }, value);
  const picture = { width: 640, height: 480 };
  const raw = (classes: number, boxes: number) => ({
    boxes: { shape: [1, boxes, 4], values: corners(draw, boxes, 640, 480) },
    scores: { shape: [1, boxes, classes], values: many(boxes * classes, () => draw() * 8 - 6) },
  });
  const custom = {
    boxes: { output: "boxes" },
    classScores: { output: "scores" },
    multiLabel: true,
  } as const;
  const rows = 8_400;
  const yoloValues = [
    ...many(rows * 2, () => draw() * 640),
    ...many(rows * 2, () => 8 + draw() * 200),
    ...many(rows * 10, () => draw() ** 40),
  ];
  const fit = { kind: "fit", shorterPx: 800, longerPx: 1_333 } as const;
  const { input } = placementOf(fit, { heightPx: 427, widthPx: 640 });
  const centers = corners(draw, 100, 1, 1).map((value) => value * 0.9 + 0.05);
  return [
    {
      form: "ssd",
      ...picture,
      ...limits,
      minScore: 0.3,
      detector: { ...custom, activation: "softmax", background: "first" },
      outputs: raw(6, 120),
    },
    {
      form: "retinanet",
      ...picture,
      ...limits,
      minScore: 0.6,
      detector: { ...custom, activation: "sigmoid" },
      outputs: raw(6, 120),
    },
    {
      form: "yolo",
      width: 1_280,
      height: 720,
      ...limits,
      minScore: 0.25,
      detector: { preset: "yolo" },
      resize: {
        kind: "letterbox",
        heightPx: 640,
        widthPx: 640,
        padValue: 114,
        padding: "both-sides",
      },
      left: 0,
      top: 140,
      gain: 0.5,
      outputs: { output0: { shape: [1, 14, rows], values: yoloValues } },
    },
    {
      form: "detr",
      ...picture,
      ...limits,
      minScore: 0.2,
      detector: { preset: "detr" },
      outputs: {
        logits: { shape: [1, 100, 8], values: many(800, () => draw() * 6) },
        pred_boxes: { shape: [1, 100, 4], values: centers },
      },
    },
    {
      form: "exported",
      width: 640,
      height: 427,
      ...limits,
      minScore: 0,
      detector: { preset: "torchvision" },
      resize: fit,
      inputSize: [input.heightPx, input.widthPx],
      outputs: {
        boxes: { shape: [50, 4], values: corners(draw, 50, input.widthPx, input.heightPx) },
        scores: { shape: [50], values: many(50, () => 0.01 + draw() * 0.9) },
        labels: { shape: [50], values: many(50, () => 1 + Math.floor(draw() * 90)) },
      },
    },
  ];
}

function decoded({ detector, outputs, resize, width, height, ...selection }: Case) {
  const { boxes, ...rest } = detectorFormat(detector);
  if (!boxes) throw new RangeError("the format has no boxes");
  const format = { ...rest, boxes };
  const tensors = Object.entries(outputs).map(([name, { shape, values }]): [string, Tensor] => [
    name,
    float32Tensor(shape, Float32Array.from(values)),
  ]);
  const size = { heightPx: height, widthPx: width };
  const table = boxTable(format, new Map(tensors));
  return decodedBoxes(table, { format, resize, size, ...selection });
}

interface Answer {
  readonly boxes: readonly (readonly number[])[];
  readonly scores: readonly number[];
  readonly labels: readonly number[];
}

let missing: string | undefined;
beforeAll(() => {
  missing = missingTorchvision();
}, 1_200_000);

test("torchvision's post-processing gives the same boxes", (context) => {
  if (missing !== undefined) {
    process.stderr.write(`skipped: there is no torchvision here; ${missing}\n`);
    return context.skip(missing);
  }
  const cases = [1, 2, 3, 4].flatMap(casesFor);
  const script = join(root, "test/interop/torchvision_detections.py");
  const text = execFileSync(python, [script], {
    input: JSON.stringify(cases),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  const answers = JSON.parse(text) as readonly Answer[];

  expect(answers).toHaveLength(cases.length);
  cases.forEach((each, index) => {
    const { boxes = [], scores = [], labels = [] } = answers[index] ?? {};
    const found = decoded(each);
    // What lies outside the picture is left out here, and is a line without any extent there.
    const inside = boxes.flatMap((box, at) => {
      const [left = 0, top = 0, right = 0, bottom = 0] = box;
      return right > left && bottom > top ? [{ box, score: scores[at], label: labels[at] }] : [];
    });
    expect(inside.length, each.form).toBeGreaterThan(5);
    expect(found.map(({ classIndex }) => classIndex)).toEqual(inside.map(({ label }) => label));
    found.forEach(({ score, edges }, at) => {
      const { left, top, right, bottom } = edges;
      const { width, height } = each;
      expect(score).toBeCloseTo(inside[at]?.score ?? Number.NaN, 5);
      [left * width, top * height, right * width, bottom * height].forEach((edge, side) => {
        expect(Math.abs(edge - (inside[at]?.box[side] ?? Number.NaN))).toBeLessThan(0.01);
      });
    });
  });
});
