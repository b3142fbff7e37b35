import { float32Tensor, placementOf, type Resize, type Tensor } from "@tensorgate/core";
import { type DetectorOptions, detectorFormat } from "@tensorgate/tf-serving";
import fc from "fast-check";
import { expect, test } from "vitest";
import { boxTable } from "./box-table.ts";
import { decodedBoxes } from "./decode-boxes.ts";

interface Decoding {
  readonly detector: DetectorOptions;
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly resize?: Resize;
  readonly size?: { readonly heightPx: number; readonly widthPx: number };
  readonly minScore?: number;
  readonly iouThreshold?: number;
}

const square = { heightPx: 640, widthPx: 640 };
const selection = { minScore: 0.25, iouThreshold: 0.5, maxCandidates: 400, maxDetections: 100 };

function decoded({ detector, outputs, resize, size = square, ...limits }: Decoding) {
  const { boxes, ...rest } = detectorFormat(detector);
  if (!boxes) throw new RangeError("the format has no boxes");
  const format = { ...rest, boxes };
  const table = boxTable(format, new Map(Object.entries(outputs)));
  return decodedBoxes(table, { format, resize, size, ...selection, ...limits });
}

const tensor = (shape: readonly number[], values: readonly number[] | Float32Array) =>
  float32Tensor(shape, Float32Array.from(values));

interface PlainBox {
  readonly classIndex: number;
  readonly score: number;
  /** Left, top, right, bottom. */
  readonly box: readonly [number, number, number, number];
}

/** Threshold, order and suppression per class once more, with neither shortcut nor thought for time. */
function plainSelection(boxes: readonly PlainBox[], options: typeof selection): PlainBox[] {
  const best = boxes
    .filter(({ score }) => score > options.minScore)
    .toSorted((a, b) => b.score - a.score)
    .slice(0, options.maxCandidates);
  const kept: PlainBox[] = [];
  for (const each of best) {
    const isSuppressed = kept.some(
      (other) =>
        other.classIndex === each.classIndex &&
        overlap(other.box, each.box) >= options.iouThreshold,
    );
    if (!isSuppressed) kept.push(each);
  }
  return kept;
}

function overlap(a: PlainBox["box"], b: PlainBox["box"]): number {
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const areaOf = (box: PlainBox["box"]) => (box[2] - box[0]) * (box[3] - box[1]);
  return (width * height) / (areaOf(a) + areaOf(b) - width * height);
}

/** A seeded stream of numbers in [0, 1). */
function draws(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const letterbox = { kind: "letterbox", ...square, padValue: 114, padding: "both-sides" } as const;

test.each([1, 2, 3, 4, 5])(
  "8,400 random boxes of YOLO are decoded as the straightforward way decodes them (seed %d)",
  (seed) => {
    const draw = draws(seed);
    const [rows, classes] = [8_400, 12];
    const values = Float32Array.from({ length: (4 + classes) * rows }, (_, at) => {
      const which = Math.floor(at / rows);
      if (which < 2) return draw() * 640;
      if (which < 4) return draw() * 200;
      return draw() ** 40;
    });
    const candidates: PlainBox[] = [];
    for (let row = 0; row < rows; row += 1) {
      const value = (which: number) => values[which * rows + row] ?? Number.NaN;
      const scores = Array.from({ length: classes }, (_, index) => value(4 + index));
      const score = Math.max(...scores);
      const [x, y, width, height] = [value(0), value(1), value(2), value(3)];
      const box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2] as const;
      candidates.push({ classIndex: scores.indexOf(score), score, box });
    }
    // A picture of 1280 × 720 is halved, and has 140 rows of padding above it.
    const expected = plainSelection(candidates, selection).map((each) => ({
      ...each,
      box: [each.box[0] * 2, (each.box[1] - 140) * 2, each.box[2] * 2, (each.box[3] - 140) * 2],
    }));

    const boxes = decoded({
      detector: { preset: "yolo" },
      outputs: { output0: tensor([1, 4 + classes, rows], values) },
      resize: letterbox,
      size: { heightPx: 720, widthPx: 1_280 },
    });

    const inside = expected.flatMap(
      ({ classIndex, score, box: [x1 = 0, y1 = 0, x2 = 0, y2 = 0] }) => {
        const [left, right] = [Math.max(0, x1), Math.min(1_280, x2)];
        const [top, bottom] = [Math.max(0, y1), Math.min(720, y2)];
        return right > left && bottom > top
          ? [{ classIndex, score, box: [left, top, right, bottom] }]
          : [];
      },
    );
    expect(boxes.length).toBeGreaterThan(20);
    expect(boxes.length).toBe(Math.min(inside.length, selection.maxDetections));
    boxes.forEach(({ classIndex, score, edges }, index) => {
      const other = inside[index];
      expect([classIndex, score]).toEqual([other?.classIndex, other?.score]);
      const pixels = [edges.left * 1_280, edges.top * 720, edges.right * 1_280, edges.bottom * 720];
      pixels.forEach((edge, at) => {
        expect(Math.abs(edge - (other?.box[at] ?? Number.NaN))).toBeLessThan(1e-3);
      });
    });
  },
);

test("a box comes back to where it is in the picture, however the picture was resized", () => {
  const side = fc.integer({ min: 16, max: 3_000 });
  const share = fc.double({ min: 0.05, max: 0.45, noNaN: true });
  const anyResize: fc.Arbitrary<Resize> = fc.oneof(
    fc.constant<Resize>({ kind: "warp", heightPx: 320, widthPx: 480 }),
    fc.constant<Resize>(letterbox),
    fc.constant<Resize>({ ...letterbox, widthPx: 416, padding: "end" }),
    fc.constant<Resize>({ kind: "fit", shorterPx: 800, longerPx: 1_333 }),
    fc.constant<Resize>({ kind: "fit", longerPx: 1_333 }),
  );
  const forms = fc.constantFrom(
    "xyxy" as const,
    "yxyx" as const,
    "xywh" as const,
    "cxcywh" as const,
  );
  const units = fc.constantFrom("input-pixels" as const, "fractions" as const);
  fc.assert(
    fc.property(
      fc.record({ side, other: side, left: share, top: share, resize: anyResize, forms, units }),
      ({
        side: heightPx,
        other: widthPx,
        left,
        top,
        resize,
        forms: boxFormat,
        units: boxUnits,
      }) => {
        const { input, resized, leftPx, topPx } = placementOf(resize, { heightPx, widthPx });
        const unit = boxUnits === "fractions" ? input : { heightPx: 1, widthPx: 1 };
        const x = (fraction: number) => (fraction * resized.widthPx + leftPx) / unit.widthPx;
        const y = (fraction: number) => (fraction * resized.heightPx + topPx) / unit.heightPx;
        const [x1, y1, x2, y2] = [x(left), y(top), x(left + 0.5), y(top + 0.5)];
        const values = {
          xyxy: [x1, y1, x2, y2],
          yxyx: [y1, x1, y2, x2],
          xywh: [x1, y1, x2 - x1, y2 - y1],
          cxcywh: [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1],
        }[boxFormat];
        const [box] = decoded({
          detector: { preset: "torchvision", boxFormat, boxUnits, background: "none" },
          outputs: {
            boxes: tensor([1, 4], values),
            scores: tensor([1], [1]),
            labels: tensor([1], [0]),
          },
          resize,
          size: { heightPx, widthPx },
        });
        expect(box?.edges.left).toBeCloseTo(left, 4);
        expect(box?.edges.top).toBeCloseTo(top, 4);
        expect(box?.edges.right).toBeCloseTo(left + 0.5, 4);
        expect(box?.edges.bottom).toBeCloseTo(top + 0.5, 4);
      },
    ),
  );
});
