import {
  bytesTensor,
  type DialectNames,
  fixedSizeTensor,
  float32Tensor,
  joined,
  type ScoreRequest,
} from "@tensorgate/core";
import { expect, test } from "vitest";
import { predictRequestSegments } from "./predict.ts";
import { createPredictFramer } from "./predict-frames.ts";

const names: DialectNames = {
  inputs: new Map([["images", "wire_images:0"]]),
  outputs: new Map([["scores", "wire_scores:0"]]),
  canonicalOutputs: new Map(),
  patterns: [],
};

function aPicture(byteCount: number, overrides: Partial<ScoreRequest> = {}): ScoreRequest {
  return {
    modelSpec: { name: "shapes" },
    inputs: new Map([["images", bytesTensor([1], [new Uint8Array(byteCount).fill(7)])]]),
    outputFilter: ["scores"],
    ...overrides,
  };
}

function withNumbers(shape: readonly number[], values: readonly number[]): ScoreRequest {
  return aPicture(1, { inputs: new Map([["x", float32Tensor(shape, Float32Array.from(values))]]) });
}

// In one row, so that each request follows another of the same model.
const requests: readonly (readonly [what: string, ScoreRequest, DialectNames?])[] = [
  ...[0, 1, 90, 127, 128, 16_300, 16_384, 100_000, 2_097_152].map(
    (byteCount) => [`${byteCount} bytes`, aPicture(byteCount), names] as const,
  ),
  ["the same without names", aPicture(100)],
  ["a version", aPicture(100, { modelSpec: { name: "shapes", version: 2n } })],
  ["another version", aPicture(100, { modelSpec: { name: "shapes", version: 3n } })],
  ["a label", aPicture(100, { modelSpec: { name: "shapes", versionLabel: "stable" } })],
  ["a signature", aPicture(100, { modelSpec: { name: "shapes", signatureName: "s" } })],
  ["another model", aPicture(100, { modelSpec: { name: "other" } })],
  ["no model", aPicture(100, { modelSpec: { name: "" } })],
  ["no filter", aPicture(100, { outputFilter: [] })],
  ["another filter", aPicture(100, { outputFilter: ["scores", "features"] })],
  [
    "a scalar",
    aPicture(100, { inputs: new Map([["images", bytesTensor([], [Uint8Array.of(1)])]]) }),
  ],
  [
    "another input",
    aPicture(1, { inputs: new Map([["x", bytesTensor([1], [Uint8Array.of(1)])]]) }),
  ],
  ["numbers", withNumbers([1], [1])],
  ["other numbers", withNumbers([1], [2])],
  ["a thousand numbers", withNumbers([1_000], new Array(1_000).fill(3))],
  ["as many in another shape", withNumbers([10, 100], new Array(1_000).fill(3))],
  ["no numbers", withNumbers([0], [])],
  [
    "other numbers of the same bytes",
    aPicture(1, { inputs: new Map([["x", fixedSizeTensor("INT32", [1], new Uint8Array(4))]]) }),
  ],
  [
    "two inputs, of which the first is as before",
    aPicture(1, {
      inputs: new Map([
        ["x", fixedSizeTensor("INT32", [1], new Uint8Array(4))],
        ["y", fixedSizeTensor("INT32", [1], new Uint8Array(4))],
      ]),
    }),
  ],
  ["a filter of 6 KB", aPicture(1, { outputFilter: new Array(600).fill("a".repeat(10)) })],
  ["no input", aPicture(1, { inputs: new Map() })],
  [
    "two pictures",
    aPicture(1, {
      inputs: new Map([["images", bytesTensor([2], [Uint8Array.of(1), Uint8Array.of(2)])]]),
    }),
  ],
];
const rows = requests.map(([what, request, ofDialect]) => ({ what, request, ofDialect }));
const frame = createPredictFramer();

test.each(rows)("$what: framed as without a memory", ({ request, ofDialect }) => {
  for (let round = 0; round < 2; round += 1) {
    const bytes = joined(frame(request, ofDialect));

    expect(Buffer.compare(bytes, joined(predictRequestSegments(request, ofDialect)))).toBe(0);
  }
});

test("a picture is framed without being copied", () => {
  const picture = new Uint8Array(50_000);
  const inputs = new Map([["images", bytesTensor([1], [picture])]]);

  expect(frame(aPicture(0, { inputs }))[1]).toBe(picture);
});

test("numbers are framed without being copied", () => {
  const request = withNumbers([1_000], new Array(1_000).fill(1));
  const tensor = request.inputs.get("x");

  frame(request);

  expect(tensor?.dtype === "FP32" && frame(request)[1]).toBe(
    tensor?.dtype === "FP32" && tensor.data,
  );
});

test("what comes before the values is written once for requests of the same length", () => {
  const frame = createPredictFramer();
  const [first] = frame(aPicture(2_000), names);

  expect(frame(aPicture(2_000), names)[0]).toBe(first);
  expect(frame(aPicture(2_001), names)[0]).not.toBe(first);
});

test("several strings are written as they would be alone, and leave the frame of one in place", () => {
  const frame = createPredictFramer();
  const [first] = frame(aPicture(2_000), names);
  const pictures = bytesTensor([2], [new Uint8Array(2_000).fill(1), new Uint8Array(2_000).fill(2)]);
  const several = aPicture(1, { inputs: new Map([["images", pictures]]) });

  expect(joined(frame(several, names))).toEqual(joined(predictRequestSegments(several, names)));
  expect(frame(aPicture(2_000), names)[0]).toBe(first);
});
