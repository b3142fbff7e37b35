import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseManifest } from "../manifest.ts";
import { findModels } from "../model-folders.ts";
import { createGraphBuilder, type ElementType, type OnnxShape } from "../onnx/graph-builder.ts";
import { addModel, type ModelToAdd } from "./add-model.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-adding-"));
afterAll(() => rmSync(folder, { recursive: true }));
const directory = join(folder, "models");
const picture = new Uint8Array(
  readFileSync(new URL("../../../../examples/pictures/star.jpg", import.meta.url)),
);

interface ChannelModel {
  readonly dtype: ElementType;
  readonly shape: OnnxShape;
}

/** One score: the mean of a single channel, of 255. */
function meanOfGrey(name: string, { dtype, shape }: ChannelModel): string {
  const graph = createGraphBuilder(name);
  graph.input("input", shape, dtype);
  const floats = graph.op("Cast", ["input"], { to: 1 });
  const axes = shape[1] === 1 ? [2, 3] : [1, 2];
  const mean = graph.op("ReduceMean", [floats, graph.integers(axes)], { keepdims: 0 });
  graph.op("Div", [mean, graph.scalar(255)], {}, "bright");
  graph.output("bright", ["N", 1]);
  const file = join(folder, `${name}.onnx`);
  writeFileSync(file, graph.finish());
  return file;
}

/** The mean of each channel, three scores; by softmax where they are to be probabilities. */
function meanOfChannels(name: string, shape: OnnxShape, isSoftmax = false): string {
  const graph = createGraphBuilder(name);
  graph.input("input", shape);
  const axes = shape[1] === 3 ? [2, 3] : [1, 2];
  const mean = graph.op("ReduceMean", ["input", graph.integers(axes)], { keepdims: 0 });
  graph.op(isSoftmax ? "Softmax" : "Identity", [mean], {}, "scores");
  graph.output("scores", ["N", 3]);
  const file = join(folder, `${name}.onnx`);
  writeFileSync(file, graph.finish());
  return file;
}

const add = (name: string, weights: string, more: Partial<ModelToAdd> = {}) =>
  addModel({ name, weights, directory, picture, ...more });

test("a model as torchvision exports it needs no options", async () => {
  const weights = meanOfChannels("torch", ["N", 3, 32, 32]);

  const { version, manifest, assumptions, facts, outputs } = await add("torch", weights);

  expect(version).toBe(1n);
  expect(facts.operatorSet).toBe(21n);
  expect(assumptions.join(" ")).toContain("as torchvision does it");
  const { images } = manifest.signatures["serving_default"]?.inputs ?? {};
  const preprocessing = images?.picture?.preprocessing;
  expect(preprocessing).toMatchObject({
    resize: { kind: "shorter-side", px: 37, crop: { heightPx: 32, widthPx: 32 } },
    layout: "nchw",
    coordinates: "half-pixel",
  });
  expect(preprocessing?.mean[0]).toBeCloseTo(123.675, 3);
  const scales: unknown = preprocessing?.scale;
  expect(Array.isArray(scales) && scales[2]).toBeCloseTo(1 / 57.375, 6);
  expect(outputs.get("scores")?.shape).toEqual([1, 3]);
});

test("what was added is found by a model server, and a second time is a second version", async () => {
  const weights = meanOfChannels("twice", ["N", 3, 8, 8], true);
  await add("twice", weights, { labels: ["r", "g", "b"] });
  const { version, folder: made } = await add("twice", weights, { labels: ["r", "g", "b"] });

  const found = findModels({ directory }).find(({ name }) => name === "twice");

  expect(version).toBe(2n);
  expect(found).toMatchObject({ version: 2n, manifest: { labels: ["r", "g", "b"] } });
  const text = readFileSync(join(made, "manifest.json"), "utf8");
  expect(parseManifest(text, "m").signatures["serving_default"]?.outputs["scores"]?.holds).toBe(
    "probabilities",
  );
});

test("scores that are no shares of one are logits", async () => {
  const { manifest } = await add("logits", meanOfChannels("logits", ["N", 3, 8, 8]));

  expect(manifest.signatures["serving_default"]?.outputs["scores"]?.holds).toBe("logits");
});

test.each([
  { name: "open-size", shape: ["N", 3, "h", "w"], option: "size", text: "--size 224" },
  { name: "no-mean", shape: ["N", 8, 8, 3], option: "mean", text: "--mean and --std" },
  { name: "no-layout", shape: ["N", "c", "h", "w"], option: "layout", text: "--layout NCHW" },
])("a missing option is named: $option", async ({ name, shape, option, text }) => {
  const adding = add(name, meanOfChannels(name, shape));

  await expect(adding).rejects.toMatchObject({ option, message: expect.stringContaining(text) });
  expect(existsSync(join(directory, name))).toBe(false);
});

test("bytes are sent as they are, and one channel is luma", async () => {
  const weights = meanOfGrey("grey-bytes", { dtype: "uint8", shape: ["N", 8, 8, 1] });

  const { manifest, assumptions } = await add("grey-bytes", weights, {
    labels: ["dark", "bright"],
  });

  const { inputs, outputs } = manifest.signatures["serving_default"] ?? {};
  expect(inputs?.["images"]?.picture?.preprocessing).toMatchObject({
    channelOrder: "grayscale",
    dtype: "UINT8",
    mean: [0, 0, 0],
    scale: 1,
  });
  expect(outputs?.["bright"]?.holds).toBe("probabilities");
  expect(assumptions).toContain("pixels are sent as they are, 0 to 255 (--mean, --std)");
  expect(assumptions).toContain("its one score holds probabilities of the second label (--holds)");
});

test("of one channel of floats nothing is usual", async () => {
  const weights = meanOfGrey("grey", { dtype: "float", shape: ["N", 1, 8, 8] });

  await expect(add("grey", weights)).rejects.toMatchObject({ option: "mean" });

  const { manifest } = await add("grey", weights, { mean: [0, 0, 0] });
  expect(manifest.signatures["serving_default"]?.outputs["bright"]?.holds).toBe("tensor");
});

test("a type that pixels are not sent in is named", async () => {
  const weights = meanOfGrey("integers", { dtype: "int32", shape: ["N", 8, 8, 1] });

  await expect(add("integers", weights)).rejects.toThrow(
    'the model takes "input" INT32 [?, 8, 8, 1]; expected one tensor of FP32, FP16 or UINT8 with four axes',
  );
});

test("options take precedence over assumptions", async () => {
  const weights = meanOfChannels("told", ["N", 8, 8, 3]);

  const { manifest, assumptions } = await add("told", weights, {
    mean: [127.5, 127.5, 127.5],
    std: [127.5, 127.5, 127.5],
    resize: "warp",
    channelOrder: "bgr",
    version: 40n,
  });

  expect(assumptions).toEqual([]);
  const { images } = manifest.signatures["serving_default"]?.inputs ?? {};
  expect(images?.picture?.preprocessing).toEqual({
    resize: { kind: "warp", heightPx: 8, widthPx: 8 },
    coordinates: "half-pixel",
    channelOrder: "bgr",
    mean: [127.5, 127.5, 127.5],
    scale: [1 / 127.5, 1 / 127.5, 1 / 127.5],
  });
});

test.each<{ readonly what: string; readonly more: Partial<ModelToAdd>; readonly text: string }>([
  {
    what: "two labels for three scores",
    more: { labels: ["a", "b"] },
    text: "2 labels are listed, but the model gives 3 scores",
  },
  { what: "a family it is not of", more: { family: "resnet-50" }, text: "the engine cannot run" },
  { what: "a name that is a path", more: { name: "../x" }, text: 'invalid model name "../x"' },
])("$what is rejected, and leaves nothing", async ({ more, text }) => {
  const weights = meanOfChannels("bad", ["N", 3, 8, 8]);

  await expect(add("bad", weights, more)).rejects.toThrow(text);
  expect(existsSync(join(directory, "bad"))).toBe(false);
});

test("a file that is not an ONNX model is named", async () => {
  const file = join(folder, "text.onnx");
  writeFileSync(file, "no model at all");

  await expect(add("text", file)).rejects.toThrow("is not an ONNX model");
  await expect(add("text", join(folder, "nowhere.onnx"))).rejects.toThrow(
    /^cannot read .*nowhere\.onnx: there is no such file$/,
  );
});

test.each([
  { name: "m.pt", head: "PK\u0003\u0004", text: "is a PyTorch file, not an ONNX model; export it" },
  { name: "m.pth", head: "\u0080\u0002\u008a\n", text: "is a PyTorch file or other pickle" },
  { name: "m.keras", head: "PK\u0003\u0004", text: "is a Keras model, not an ONNX model; save it" },
  { name: "m.h5", head: "\u0089HDF\r\n\u001a\n", text: "is a Keras model or other HDF5 file" },
  { name: "m.tflite", head: "\u001c\0\0\0TFL3", text: "is a TensorFlow Lite model" },
  { name: "m.ort", head: "\u0018\0\0\0ORTM", text: "is a model in the format of ONNX Runtime" },
  { name: "m.safetensors", head: '@\0\0\0\0\0\0\0{"a":1}', text: "has weights without a graph" },
  { name: "m.gguf", head: "GGUF\u0003", text: "is a GGUF file" },
  { name: "m.pb", head: "\n\u0004node", text: "is a graph of TensorFlow" },
])("$name is called what it is, with what to do", async ({ name, head, text }) => {
  const file = join(folder, name);
  writeFileSync(file, Buffer.from(head, "latin1"));

  await expect(add("other", file)).rejects.toThrow(text);
});
