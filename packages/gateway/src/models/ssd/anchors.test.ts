import { expect, test } from "vitest";
import { anchorLayers, anchorSizes, cellCentre, decodedBox } from "./anchors.ts";

const golden = [
  {
    place: [0, 0, 0, 0],
    offsets: [0, 0, 0, 0],
    edges: [-0.021667, -0.021667, 0.048333, 0.048333],
  },
  {
    place: [0, 36, 36, 3],
    offsets: [0, 0, 0, 0],
    edges: [0.923836, 0.948585, 1.022831, 0.998082],
  },
  {
    place: [1, 9, 9, 4],
    offsets: [1, -1, 0.5, -0.5],
    edges: [0.458826, 0.389082, 0.537187, 0.676213],
  },
  {
    place: [2, 9, 9, 1],
    offsets: [0, 0, 0, 0],
    edges: [0.808211, 0.808211, 1.218455, 1.218455],
  },
  {
    place: [4, 1, 1, 0],
    offsets: [2, -1, 1, 0.5],
    edges: [0.049716, 0.216616, 0.812284, 1.059384],
  },
  {
    place: [5, 0, 0, 2],
    offsets: [0, 0, 0, 0],
    edges: [0.192409, -0.115183, 0.807591, 1.115183],
  },
] as const;

test.each(golden)(
  "layer, row, column, anchor $place with offsets $offsets is the box $edges",
  ({ place: [layerIndex, row, column, anchorIndex], offsets, edges }) => {
    const layer = anchorLayers[layerIndex];
    const size = layer && anchorSizes(layer)[anchorIndex];
    if (!layer || !size) throw new RangeError("no such anchor");
    const anchor = { ...size, centreX: cellCentre(column, layer), centreY: cellCentre(row, layer) };

    const { top, left, bottom, right } = decodedBox(anchor, Float32Array.from(offsets), 0);

    [top, left, bottom, right].forEach((edge, index) => {
      expect(Math.abs(edge - (edges[index] ?? 0))).toBeLessThan(1e-6);
    });
  },
);

test("a grid of 37, 19, 10, 5, 3 and 1 has 8432 anchors, one of 38 has 8732", () => {
  const anchors = (cells: readonly number[]) =>
    anchorLayers.reduce(
      (sum, layer, index) => sum + (cells[index] ?? 0) ** 2 * anchorSizes(layer).length,
      0,
    );

  expect(anchors([37, 19, 10, 5, 3, 1])).toBe(8_432);
  expect(anchors([38, 19, 10, 5, 3, 1])).toBe(8_732);
});
