import type { BackendCapabilities } from "@tensorgate/gateway";
import { expect, test } from "vitest";
import { describedByManifest } from "./described-by-manifest.ts";

const manifest = {
  weights: "given",
  labels: ["cat", "dog"],
  signatures: {
    serving_default: {
      inputs: {
        images: {
          dtype: "BYTES",
          shape: [-1],
          picture: {
            tensor: "pixels",
            preprocessing: {
              resize: { kind: "warp", heightPx: 32, widthPx: 48 },
              coordinates: "half-pixel",
              channelOrder: "rgb",
              mean: [0, 0, 0],
              scale: 1,
            },
          },
        },
      },
      outputs: { scores: { dtype: "FP32", shape: [-1, 2], holds: "logits" } },
    },
  },
};
const backend = (text: string | undefined): BackendCapabilities => ({
  dialect: "tensorflow-serving",
  title: "TensorFlow Serving",
  namesModels: true,
  model: "pets",
  versions: [1n],
  outputs: new Map(),
  ...(text !== undefined && { manifest: text }),
});

test("a manifest gives labels, preprocessing and outputs, and leaves no doubt", async () => {
  expect(describedByManifest(backend(JSON.stringify(manifest)), {})).toEqual({
    model: {
      name: "pets",
      weights: "given",
      labels: ["cat", "dog"],
      input: expect.objectContaining({ tensor: "images", heightPx: 32, widthPx: 48 }),
      output: { scores: { holds: "logits" } },
    },
    doubts: [],
  });
});

test.each([
  { because: "there is none", text: undefined, given: {} },
  { because: "it is of a later version", text: '{"weights":"given","new":1}', given: {} },
  { because: "it is no JSON", text: "<html>", given: {} },
  {
    because: "it has no picture",
    text: JSON.stringify({
      weights: "given",
      signatures: { serving_default: { inputs: {}, outputs: {} } },
    }),
    given: {},
  },
  {
    because: "the user says what the model is",
    text: JSON.stringify(manifest),
    given: { family: "resnet-50" as const },
  },
])("a manifest is not used if $because", async ({ text, given }) => {
  expect(describedByManifest(backend(text), given)).toBeUndefined();
});
