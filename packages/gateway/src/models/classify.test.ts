import { float32Tensor, maxResultsPerPicture, type Score } from "@tensorgate/core";
import { aCall, manualClock } from "@tensorgate/core/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createClassifier, topLabels } from "./classify.ts";
import { createDetector } from "./detect.ts";
import { pictureDefaults } from "./options.ts";
import { softmax } from "./output-values.ts";
import { createSnapshot } from "./snapshot.ts";

const classCount = 50_000;
const score: Score = async () => ({
  model: { name: "wide", version: 1n },
  outputs: new Map([
    [
      "scores",
      float32Tensor(
        [1, classCount],
        Float32Array.from({ length: classCount }, (_, i) => i),
      ),
    ],
  ]),
});

const { resolve } = createSnapshot({
  models: [
    {
      name: "wide",
      input: { tensor: "images", kind: "encoded-image" as const },
      output: { scores: { holds: "probabilities" as const } },
      classCount,
    },
    { name: "boxes", family: "ssd-vgg" as const },
  ],
  pools: [],
});
const wide = resolve({ name: "wide" });
const boxes = resolve({ name: "boxes" });
const parts = {
  score,
  prepare: async () => ({
    tensor: float32Tensor([1], new Float32Array(1)),
    size: { widthPx: 1, heightPx: 1 },
  }),
  options: pictureDefaults,
};
const picture = { bytes: new Uint8Array(1) };
const pictures = [picture];

test.each([maxResultsPerPicture, maxResultsPerPicture + 1, 2 ** 31 - 1])(
  "of however many classes, %d labels or as many as there may be come best first",
  async (topK) => {
    const classify = createClassifier(wide, parts, manualClock());

    const { results } = await classify({ modelSpec: { name: "wide" }, pictures, topK }, aCall());

    const [result] = results;
    const labels = result?.ok ? result.value : [];
    expect(labels).toHaveLength(maxResultsPerPicture);
    expect(labels[0]).toMatchObject({ index: classCount - 1 });
  },
);

test("the scores of a reply are copied and checked once, though it is verified first and read later", async () => {
  let readCount = 0;
  const tensor = float32Tensor([1, classCount], new Float32Array(classCount));
  const outputs = new Map([["scores", tensor]]);
  outputs.values = () => {
    readCount += 1;
    return Map.prototype.values.call(outputs);
  };
  const classify = createClassifier(
    wide,
    {
      ...parts,
      score: async (request) => {
        request.verify?.(outputs);
        return { model: { name: "wide", version: 1n }, outputs };
      },
    },
    manualClock(),
  );

  await classify({ modelSpec: { name: "wide" }, pictures }, aCall());

  expect(readCount).toBe(1);
});

test.each([0, 1.5, -1, Number.NaN])(
  "a count of %d is refused before anything is scored",
  async (count) => {
    const classify = createClassifier(wide, parts, manualClock());
    const detect = createDetector(boxes, parts, manualClock());
    const wanted = {
      reason: "invalid-request",
      message: expect.stringContaining("must be a whole number of at least 1"),
    };

    await expect(
      classify({ modelSpec: { name: "wide" }, pictures, topK: count }, aCall()),
    ).rejects.toMatchObject({ ...wanted, field: "topK" });
    for (const field of ["maxDetections", "maxCandidates"]) {
      await expect(
        detect({ modelSpec: { name: "boxes" }, pictures, [field]: count }, aCall()),
      ).rejects.toMatchObject({ ...wanted, field });
    }
  },
);

test("a minScore that is no number is refused", async () => {
  const classify = createClassifier(wide, parts, manualClock());
  const request = { modelSpec: { name: "wide" }, pictures, minScore: Number.NaN };

  await expect(classify(request, aCall())).rejects.toMatchObject({ field: "minScore" });
});

test("what all pictures of a call ask for together has a limit", async () => {
  const request = {
    modelSpec: { name: "wide" },
    pictures: Array.from({ length: 64 }, () => picture),
  };
  const classify = createClassifier(wide, parts, manualClock());
  const detect = createDetector(boxes, parts, manualClock());

  const { results } = await classify({ ...request, topK: 512 }, aCall());
  expect(results[0]?.ok && results[0].value.length).toBe(512);
  await expect(classify({ ...request, topK: 513 }, aCall())).rejects.toMatchObject({
    reason: "too-large",
    field: "topK",
    message: expect.stringContaining("the limit is 32768"),
  });
  await expect(
    detect({ ...request, modelSpec: { name: "boxes" }, maxDetections: 513 }, aCall()),
  ).rejects.toMatchObject({ reason: "too-large", field: "maxDetections" });
});

const anyScores = fc.float32Array({ minLength: 1, maxLength: 40, noNaN: true, min: 0, max: 1 });

test("the best are those of a sort, and equals keep their order", () => {
  fc.assert(
    fc.property(anyScores, fc.integer({ min: 1, max: 10 }), (scores, topK) => {
      const sorted = [...scores.entries()].sort(([i, a], [j, b]) => b - a || i - j).slice(0, topK);

      const best = topLabels(scores, [], { topK, minScore: 0 });

      expect(best.map(({ index }) => index)).toEqual(sorted.map(([index]) => index));
    }),
  );
});

test("scores below the least, and those that are no number, are left out", () => {
  const scores = Float32Array.of(0.2, Number.NaN, 0.7, 0.1);

  expect(topLabels(scores, ["a", "b", "c", "d"], { topK: 9, minScore: 0.15 })).toMatchObject([
    { index: 2, label: "c" },
    { index: 0, label: "a" },
  ]);
});

test("a class without a label is called by its number", () => {
  expect(topLabels(Float32Array.of(1), [], { topK: 1, minScore: 0 })[0]?.label).toBe("0");
});

test("softmax of large logits sums to 1", () => {
  const probabilities = softmax(Float32Array.of(1_000, 1_001, 999));

  expect(probabilities.reduce((sum, each) => sum + each)).toBeCloseTo(1, 6);
  expect(probabilities[1]).toBeCloseTo(0.6652, 4);
});
