import {
  bytesTensor,
  type DialectNames,
  float32Tensor,
  joined,
  type ScoreRequest,
} from "@tensorgate/core";
import { expect, test } from "vitest";
import { createPictureFramer } from "./picture-frames.ts";
import { predictRequestSegments } from "./predict.ts";

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
  ["numbers", aPicture(1, { inputs: new Map([["x", float32Tensor([1], Float32Array.of(1))]]) })],
  ["no input", aPicture(1, { inputs: new Map() })],
  [
    "two pictures",
    aPicture(1, {
      inputs: new Map([["images", bytesTensor([2], [Uint8Array.of(1), Uint8Array.of(2)])]]),
    }),
  ],
];
const rows = requests.map(([what, request, ofDialect]) => ({ what, request, ofDialect }));
const frame = createPictureFramer();

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
