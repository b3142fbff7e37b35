import { elementCount, float32Tensor, type Tensor, UpstreamFailedError } from "@tensorgate/core";
import {
  detectorFormat,
  detectorOutputs,
  detectorPresetNames,
  type PartialDetectorFormat,
} from "@tensorgate/tf-serving";
import fc from "fast-check";
import { expect, test } from "vitest";
import { boxTable } from "./box-table.ts";
import { decodedBoxes } from "./decode-boxes.ts";
import type { ScoredBox } from "./edges.ts";

const size = { heightPx: 48, widthPx: 64 };
/** A small one, so that values of 0 to 1 are places in it as well as scores. */
const resize = { kind: "warp", heightPx: 2, widthPx: 2 } as const;
const selection = { minScore: 0.1, iouThreshold: 0.5, maxCandidates: 8, maxDetections: 4 };

/** Most values could be any of a box; a few are no coordinate, no score, or no number. */
const anyValue = fc.oneof(
  { weight: 300, arbitrary: fc.integer({ min: 0, max: 1_000 }).map((value) => value / 1_000) },
  { weight: 2, arbitrary: fc.double({ min: -1, max: 40, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 1e38, -1e38) },
);

const anyExtent = fc.integer({ min: 0, max: 8 });
const anyShape = fc.array(anyExtent, { maxLength: 3 });

/** A tensor of the shape, or seldom of any other. */
function tensorLike(expected: readonly number[]): fc.Arbitrary<Tensor> {
  const shapes = fc.oneof(
    { weight: 20, arbitrary: fc.constant(expected) },
    { weight: 1, arbitrary: anyShape },
  );
  return shapes.chain((shape) => {
    const count = elementCount(shape);
    return fc
      .array(anyValue, { minLength: count, maxLength: count })
      .map((values) => float32Tensor(shape, Float32Array.from(values)));
  });
}

/** Outputs that most often go together. */
function outputsFor(format: PartialDetectorFormat): fc.Arbitrary<ReadonlyMap<string, Tensor>> {
  const shapeOf = (name: string, rows: number): readonly number[] => {
    if (name === format.count?.output) return [];
    const isWide = name === format.boxes?.output || name === format.classScores?.output;
    if (!isWide) return [1, rows];
    // Seven values hold every field of the presets; those with an output of boxes have four.
    const isAlone = name === format.boxes?.output && detectorOutputs(format).length > 1;
    const width = isAlone ? 4 : 7;
    return format.layout === "boxes-first" ? [1, rows, width] : [1, width, rows];
  };
  return fc.integer({ min: 0, max: 6 }).chain((rows) => {
    const outputs = detectorOutputs(format).map((name) =>
      tensorLike(shapeOf(name, rows)).map((tensor): [string, Tensor] => [
        name,
        name === format.count?.output ? float32Tensor([], Float32Array.of(rows)) : tensor,
      ]),
    );
    return fc.tuple(...outputs).map((entries) => new Map(entries));
  });
}

/** @returns undefined if the outputs are reported as the replica's failure */
function decoded(
  { boxes, ...rest }: PartialDetectorFormat,
  outputs: ReadonlyMap<string, Tensor>,
): readonly ScoredBox[] | undefined {
  const format = { ...rest, boxes: boxes ?? { output: "" } };
  try {
    const table = boxTable(format, outputs);
    return decodedBoxes(table, { format, resize, size, ...selection });
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(UpstreamFailedError);
    return undefined;
  }
}

test.each(detectorPresetNames)(
  "whatever outputs %s gets, there are few boxes within the picture, or the replica has failed",
  (preset) => {
    const format = detectorFormat({ preset });
    let foundCount = 0;
    fc.assert(
      fc.property(outputsFor(format), (outputs) => {
        const boxes = decoded(format, outputs) ?? [];
        foundCount += boxes.length;

        expect(boxes.length).toBeLessThanOrEqual(selection.maxDetections);
        for (const { classIndex, score, edges } of boxes) {
          expect(Number.isInteger(classIndex) && classIndex >= 0).toBe(true);
          expect(score > selection.minScore && score <= 1).toBe(true);
          expect(edges.left >= 0 && edges.left < edges.right && edges.right <= 1).toBe(true);
          expect(edges.top >= 0 && edges.top < edges.bottom && edges.bottom <= 1).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
    expect(foundCount).toBeGreaterThan(10);
  },
);
