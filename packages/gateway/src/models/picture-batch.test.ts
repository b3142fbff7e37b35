import { bytesTensor, float32Tensor, type Tensor } from "@tensorgate/core";
import { expect, test } from "vitest";
import { mapConcurrently, stackedRows } from "./picture-batch.ts";

test("keeps the order of the items, and never more at a time than allowed", async () => {
  let running = 0;
  let most = 0;

  const results = await mapConcurrently([1, 2, 3, 4, 5], 2, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await Promise.resolve();
    running -= 1;
    return item * 10;
  });

  expect(results).toEqual([10, 20, 30, 40, 50]);
  expect(most).toBe(2);
});

test("starts nothing more after a failure, and throws it", async () => {
  const started: number[] = [];
  const failing = mapConcurrently([1, 2, 3, 4], 1, async (item) => {
    started.push(item);
    if (item === 2) throw new Error("two");
  });

  await expect(failing).rejects.toThrow("two");
  expect(started).toEqual([1, 2]);
});

const row = (tensor: Tensor) => new Map([["y", tensor]]);

test("stacks a row for each picture, strings too", () => {
  const numbers = [1, 2].map((value) => row(float32Tensor([1, 1, 1], Float32Array.of(value))));
  const texts = ["a", "b"].map((text) =>
    row(bytesTensor([1, 1], [new TextEncoder().encode(text)])),
  );

  expect(stackedRows(numbers).get("y")).toEqual(float32Tensor([2, 1, 1], Float32Array.of(1, 2)));
  expect(stackedRows(texts).get("y")).toMatchObject({ shape: [2, 1] });
});

test("the outputs of one picture stay as they are, whatever their shape", () => {
  const only = row(float32Tensor([], Float32Array.of(1)));

  expect(stackedRows([only])).toBe(only);
});

test.each([
  { name: "no row", shapes: [[3], [3]] },
  {
    name: "rows of different shapes",
    shapes: [
      [1, 2],
      [1, 3],
    ],
  },
  { name: "no such output", shapes: [[1, 2], undefined] },
])("outputs with $name are not stacked", ({ shapes }) => {
  const rows = shapes.map((shape) =>
    shape ? row(float32Tensor(shape, new Float32Array(shape.at(-1) ?? 0))) : new Map(),
  );

  expect(() => stackedRows(rows)).toThrow('the outputs "y" of 2 pictures cannot be stacked');
});
