import { expect, test } from "vitest";
import { createSnapshot, type SnapshotOptions, type SnapshotPool } from "./snapshot.ts";

const pool = (more: object = {}): SnapshotPool => ({ model: "m", region: "here", ...more });
const picture = {
  input: { tensor: "images" },
  output: { scores: { holds: "probabilities" as const } },
};
const before: SnapshotOptions = {
  models: [{ name: "m", ...picture }],
  pools: [pool({ replicas: ["a:1"] })],
};
const revisionOf = (options: SnapshotOptions) =>
  createSnapshot(options).resolve({ name: "m" }).revision;

test("the same configuration of a model has the same revision, whatever others say", () => {
  const other = { name: "other", ...picture };

  expect(revisionOf(before)).toBe(revisionOf(structuredClone(before)));
  expect(
    revisionOf({
      models: [other, ...(before.models ?? [])],
      pools: [...before.pools, { model: "other", region: "here" }],
    }),
  ).toBe(revisionOf(before));
});

test.each<{ readonly what: string; readonly after: SnapshotOptions }>([
  {
    what: "another label",
    after: { ...before, models: [{ name: "m", ...picture, labels: ["a", "b"] }] },
  },
  {
    what: "another name on the wire",
    after: {
      ...before,
      models: [
        { name: "m", ...picture, output: { scores: { tensor: "s", holds: "probabilities" } } },
      ],
    },
  },
  { what: "another replica", after: { ...before, pools: [pool({ replicas: ["b:1"] })] } },
  { what: "another pool", after: { ...before, pools: [...before.pools, pool()] } },
])("$what is another revision", ({ after }) => {
  expect(revisionOf(after)).not.toBe(revisionOf(before));
});

test("a model takes as many pictures in a batch as the least of its pools, and one without a setting", () => {
  const sizeOf = (...pools: readonly SnapshotPool[]) =>
    createSnapshot({ ...before, pools }).resolve({ name: "m" }).batchSize;

  expect(sizeOf(pool({ batch: { maxPictures: 8 } }), pool({ batch: { maxPictures: 4 } }))).toBe(4);
  expect(sizeOf(pool({ batch: { maxPictures: 8 } }), pool())).toBe(1);
  expect(sizeOf()).toBe(1);
});

test("models that only pools name are there, and others are not", () => {
  const snapshot = createSnapshot({ pools: [pool(), pool()] });

  expect(snapshot.all().map(({ name }) => name)).toEqual(["m"]);
  expect(snapshot.has("n")).toBe(false);
  expect(() => snapshot.resolve({ name: "n" })).toThrow('unknown model "n"');
  expect(() => snapshot.resolve({ name: "" })).toThrow("the request names no model");
});
