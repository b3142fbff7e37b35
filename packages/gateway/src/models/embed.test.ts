import { float32Tensor, maxFeaturesPerCall, type Score } from "@tensorgate/core";
import { aCall } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { createEmbedder } from "./embed.ts";
import { pictureDefaults } from "./options.ts";
import { createSnapshot } from "./snapshot.ts";

const { resolve } = createSnapshot({
  models: [
    {
      name: "deep",
      input: { tensor: "images", kind: "encoded-image" as const },
      output: { features: { holds: "features" as const } },
    },
  ],
  pools: [],
});

const embedderOf = (featureCount: number) => {
  const features = float32Tensor([1, featureCount], new Float32Array(featureCount));
  const score: Score = async () => ({
    model: { name: "deep", version: 1n },
    outputs: new Map([["features", features]]),
  });
  const prepare = async () => ({
    tensor: float32Tensor([1], new Float32Array(1)),
    size: { widthPx: 1, heightPx: 1 },
  });
  return createEmbedder(resolve({ name: "deep" }), { score, prepare, options: pictureDefaults });
};

const picture = { bytes: new Uint8Array(1) };

test.each([
  { pictureCount: 1, featureCount: maxFeaturesPerCall, ok: true },
  { pictureCount: 1, featureCount: maxFeaturesPerCall + 1, ok: false },
  { pictureCount: 4, featureCount: maxFeaturesPerCall / 4, ok: true },
  { pictureCount: 4, featureCount: maxFeaturesPerCall / 4 + 1, ok: false },
])(
  "$featureCount features of each of $pictureCount pictures: $ok",
  async ({ pictureCount, featureCount, ok }) => {
    const embed = embedderOf(featureCount);
    const pictures = new Array(pictureCount).fill(picture);

    const { results } = await embed({ modelSpec: { name: "deep" }, pictures }, aCall());

    expect(results.map((result) => result.ok)).toEqual(new Array(pictureCount).fill(ok));
    for (const result of results) {
      if (!result.ok) expect(result.error.reason).toBe("failed-precondition");
    }
  },
);
