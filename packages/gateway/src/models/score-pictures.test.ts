import {
  float32Tensor,
  type Picture,
  type ScoreResolved,
  UnsupportedMediaError,
} from "@tensorgate/core";
import { aCall } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { pictureDefaults } from "./options.ts";
import type { PreparePicture } from "./prepare-picture.ts";
import { createPictureScorer } from "./score-pictures.ts";
import { createSnapshot } from "./snapshot.ts";

const { resolve } = createSnapshot({
  models: [
    {
      name: "m",
      input: { tensor: "images", kind: "encoded-image" as const },
      output: { scores: { holds: "probabilities" as const } },
      classCount: 1,
    },
  ],
  pools: [],
});
const release = resolve({ name: "m" });
const invalid = new UnsupportedMediaError("not an image in a known format");
const size = { widthPx: 1, heightPx: 1 };

/** Prepares immediately; a picture of no bytes is invalid. */
const prepare: PreparePicture = (bytes) => {
  if (bytes.length === 0) throw invalid;
  return { tensor: { dtype: "BYTES", shape: [1], elements: [bytes] }, size };
};
/** Does the same, and waits. */
const prepareLater: PreparePicture = async (...given) => prepare(...given);

/** Scores pictures by their first bytes. */
function createFixture({
  prepare,
  batchSize = 1,
}: {
  prepare: PreparePicture;
  batchSize?: number;
}) {
  const pictureCounts: number[] = [];
  const score: ScoreResolved = async ({ inputs }) => {
    const tensor = inputs.get("images");
    const elements = tensor?.dtype === "BYTES" ? tensor.elements : [];
    pictureCounts.push(elements.length);
    const values = Float32Array.from(elements, ([first = 0]) => first);
    const outputs = new Map([["scores", float32Tensor([elements.length, 1], values)]]);
    return { model: { name: "m", version: 3n }, outputs, region: "westeurope" };
  };
  const deps = { score, prepare, options: pictureDefaults };
  const scorePictures = createPictureScorer({ ...release, batchSize }, deps, () => ({
    filter: [],
    verify: () => {},
    read: ({ outputs }) => outputs.get("scores")?.shape[0],
  }));
  return {
    pictureCounts,
    ask: (pictures: readonly Picture[], call = aCall()) =>
      scorePictures({ modelSpec: { name: "m" }, pictures }, call),
  };
}

const valid: Picture = { bytes: Uint8Array.of(7) };
const empty: Picture = { bytes: new Uint8Array() };

test.each([
  { how: "immediately", prepare },
  { how: "later", prepare: prepareLater },
])("the only picture is prepared $how, and an id comes back with its result", async (each) => {
  const { ask } = createFixture(each);
  const scored = { ok: true, value: 1 };
  const failed = { ok: false, error: invalid };

  expect(await ask([valid])).toEqual({
    model: { name: "m", version: 3n },
    region: "westeurope",
    results: [scored],
  });
  expect((await ask([empty])).results).toEqual([failed]);
  expect((await ask([{ ...valid, id: "a" }])).results).toEqual([{ id: "a", ...scored }]);
  expect((await ask([{ ...empty, id: "a" }])).results).toEqual([{ id: "a", ...failed }]);
});

test.each([
  { how: "immediately", prepare },
  { how: "later", prepare: prepareLater },
])("pictures that are prepared $how share a batch, without one that is invalid", async (each) => {
  const { ask, pictureCounts } = createFixture({ ...each, batchSize: 3 });

  const { model, results } = await ask([empty, valid, { ...valid, id: "b" }, empty, valid]);

  expect(pictureCounts.toSorted()).toEqual([1, 2]);
  expect(model).toEqual({ name: "m", version: 3n });
  expect(results).toMatchObject([
    { ok: false },
    { ok: true },
    { id: "b", ok: true },
    { ok: false },
    { ok: true },
  ]);
});

test("a call that is over rejects with its reason, whatever its pictures still wait for", async () => {
  const controller = new AbortController();
  const call = { ...aCall(), signal: controller.signal };
  const waiting = Promise.withResolvers<never>();
  const { ask } = createFixture({
    prepare: (bytes, ...rest) => (bytes.length === 0 ? prepare(bytes, ...rest) : waiting.promise),
    batchSize: 2,
  });
  const reason = new Error("over");
  controller.abort(reason);

  await expect(ask([empty], call)).rejects.toBe(reason);
  const answer = ask([valid, empty], call);
  await expect(answer).rejects.toBe(reason);
  // Nothing waits for it any more, and yet it is no unhandled rejection.
  waiting.reject(reason);
  await new Promise((resolve) => setImmediate(resolve));
});

test("what is wrong with a request rejects, and is not thrown", async () => {
  const { ask } = createFixture({ prepare });

  await expect(ask([])).rejects.toMatchObject({ reason: "invalid-request" });
  await expect(ask(Array.from({ length: 65 }, () => valid))).rejects.toMatchObject({
    reason: "too-large",
  });
  await expect(ask([{ ...valid, id: "a".repeat(1_025) }])).rejects.toMatchObject({
    field: "pictures[0].id",
  });
});
