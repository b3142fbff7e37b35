import type { DType, TensorInfo } from "@tensorgate/core";
import { type BackendCapabilities, parseConfig } from "@tensorgate/gateway";
import { expect, test } from "vitest";
import { configText } from "./config-text.ts";
import { describedBackend } from "./described-backend.ts";

const info = (dtype: DType, shape: readonly number[]): TensorInfo => ({ dtype, shape });
const bytes = info("BYTES", [-1]);

function stock(
  input: TensorInfo,
  outputs: Readonly<Record<string, TensorInfo>>,
): BackendCapabilities {
  return {
    dialect: "tensorflow-serving",
    title: "TensorFlow Serving",
    namesModels: true,
    model: "m",
    versions: [1n],
    signature: { inputs: new Map([["images", input]]), outputs: new Map(Object.entries(outputs)) },
    input: "images",
    outputs: new Map(),
  };
}

const yolo = { output0: info("FP32", [1, 84, 8_400]) };
const torchvision = {
  boxes: info("FP32", [-1, 4]),
  labels: info("INT64", [-1]),
  scores: info("FP32", [-1]),
};

test("a YOLO that takes pixels is letterboxed, and everything that is assumed is written", () => {
  const { model, doubts } = describedBackend(stock(info("FP32", [1, 3, 640, 640]), yolo));

  expect(model).toEqual({
    name: "m",
    input: {
      tensor: "images",
      kind: "pixels",
      resize: "letterbox",
      heightPx: 640,
      widthPx: 640,
      padValue: 114,
      padding: "both-sides",
      layout: "nchw",
      scale: 1 / 255,
    },
    detector: { preset: "yolo", boxes: { output: "output0" } },
    labels: "coco",
  });
  expect(doubts.join("\n")).toContain("letterboxed to 640 × 640 with 114");
  expect(doubts.join("\n")).toContain("80 classes are assumed to be COCO's");
});

test("bytes are sent unscaled: the model scales them", () => {
  const { model } = describedBackend(stock(info("UINT8", [1, 640, 640, 3]), yolo));

  expect(model.input).toMatchObject({ dtype: "UINT8", resize: "letterbox" });
  expect(model.input).not.toHaveProperty("scale");
});

test("a YOLO of any size is letterboxed to a square", () => {
  const { model } = describedBackend(stock(info("FP32", [-1, 3, -1, -1]), yolo));

  expect(model.input).toMatchObject({ heightPx: 640, widthPx: 640, layout: "nchw" });
});

test("a YOLO that decodes pictures is assumed to letterbox them to the square of its boxes", () => {
  const outputs = { output0: info("FP32", [-1, 84, 3_549]) };

  const { model, doubts } = describedBackend(stock(bytes, outputs));

  expect(model.input).toMatchObject({ resize: "letterbox", heightPx: 416, widthPx: 416 });
  expect(doubts.join("\n")).toContain("the model decodes pictures itself");
});

test("boxes of a model that decodes pictures of any size are in pixels of the picture", () => {
  const { model } = describedBackend(stock(bytes, torchvision));

  expect(model).toMatchObject({
    input: { tensor: "images", kind: "encoded-image" },
    detector: { preset: "torchvision", boxUnits: "source-pixels" },
  });
});

test("a model of torchvision with an input of one size gets stretched pictures", () => {
  const { model } = describedBackend(stock(info("FP32", [1, 3, 800, 800]), torchvision));

  expect(model.input).toMatchObject({ resize: "stretch", heightPx: 800, widthPx: 800 });
});

test("a flag goes before what outputs look like", () => {
  const pixels = info("FP32", [1, 3, 640, 640]);
  const outputs = { output0: info("FP32", [1, 310, 84]) };

  expect(describedBackend(stock(pixels, outputs)).model.detector).toBeUndefined();
  const { model, doubts } = describedBackend(stock(pixels, outputs), { detector: "yolo" });
  expect(model.detector).toEqual({ preset: "yolo" });
  expect(doubts.join("\n")).not.toContain("look like");
});

test.each([
  { input: info("FP32", [1, 3, 640, 640]), outputs: yolo },
  { input: bytes, outputs: torchvision },
  { input: info("FP32", [3, -1, -1]), outputs: torchvision },
])("what is written for $input.dtype [$input.shape] is read as it was meant", (each) => {
  const { model, doubts } = describedBackend(stock(each.input, each.outputs));
  const pool = { model: "m", region: "local", replicas: ["127.0.0.1:8500"] };

  const text = configText({ region: "local", model, pool, doubts, origin: "Found." });

  expect(parseConfig(text, "x.yaml").models).toEqual([model]);
});
