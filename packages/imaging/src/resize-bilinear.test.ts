import {
  type Coordinates,
  type FixedSizeTensor,
  float16Value,
  type Preprocessing,
} from "@tensorgate/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { RgbImage } from "./decode-picture.ts";
import { preprocessPicture } from "./preprocess-picture.ts";
import { resizeBilinear } from "./resize-bilinear.ts";

const anyImage: fc.Arbitrary<RgbImage> = fc
  .record({ heightPx: fc.integer({ min: 1, max: 7 }), widthPx: fc.integer({ min: 1, max: 7 }) })
  .chain(({ heightPx, widthPx }) => {
    const length = heightPx * widthPx * 3;
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((pixels) => ({ heightPx, widthPx, pixels }));
  });
const anySize = fc.integer({ min: 1, max: 12 });
const anyCoordinates = fc.constantFrom<Coordinates>("tensorflow-1", "half-pixel");

/** The definition, pixel by pixel, in doubles. */
function straightforward(image: RgbImage, target: [number, number], coordinates: Coordinates) {
  const [heightPx, widthPx] = target;
  const at = (y: number, x: number, channel: number) => {
    const row = Math.min(image.heightPx - 1, Math.max(0, y));
    const column = Math.min(image.widthPx - 1, Math.max(0, x));
    return image.pixels[(row * image.widthPx + column) * 3 + channel] ?? 0;
  };
  const source = (position: number, from: number, to: number) =>
    coordinates === "tensorflow-1" ? (position * from) / to : ((position + 0.5) * from) / to - 0.5;
  const result: number[] = [];
  for (let y = 0; y < heightPx; y += 1) {
    for (let x = 0; x < widthPx; x += 1) {
      const sy = source(y, image.heightPx, heightPx);
      const sx = source(x, image.widthPx, widthPx);
      const [top, left] = [Math.floor(sy), Math.floor(sx)];
      for (let channel = 0; channel < 3; channel += 1) {
        const above =
          at(top, left, channel) * (1 - (sx - left)) + at(top, left + 1, channel) * (sx - left);
        const below =
          at(top + 1, left, channel) * (1 - (sx - left)) +
          at(top + 1, left + 1, channel) * (sx - left);
        result.push(above * (1 - (sy - top)) + below * (sy - top));
      }
    }
  }
  return result;
}

test("agrees with the definition", () => {
  fc.assert(
    fc.property(
      anyImage,
      anySize,
      anySize,
      anyCoordinates,
      (image, heightPx, widthPx, coordinates) => {
        const fast = resizeBilinear(image, { heightPx, widthPx, coordinates });
        const slow = straightforward(image, [heightPx, widthPx], coordinates);
        fast.forEach((value, index) => {
          expect(Math.abs(value - (slow[index] ?? Number.NaN))).toBeLessThan(0.01);
        });
      },
    ),
  );
});

test("a window is that part of the whole", () => {
  fc.assert(
    fc.property(anyImage, anyCoordinates, (image, coordinates) => {
      const target = { heightPx: 9, widthPx: 8, coordinates };
      const window = { topPx: 2, leftPx: 3, heightPx: 4, widthPx: 5 };
      const whole = resizeBilinear(image, target);
      const part = resizeBilinear(image, { ...target, window });
      part.forEach((value, index) => {
        const [row, rest] = [Math.floor(index / 15), index % 15];
        expect(value).toBe(whole[(row + 2) * 24 + 9 + rest]);
      });
    }),
  );
});

const preprocessing: Omit<Preprocessing, "resize"> = {
  coordinates: "tensorflow-1",
  channelOrder: "rgb",
  mean: [123.68, 116.779, 103.939],
  scale: 1,
};

test("a scale for each channel, and planes one after the other, as other frameworks have them", () => {
  const image = { heightPx: 1, widthPx: 2, pixels: Uint8Array.of(10, 20, 30, 40, 50, 60) };
  const resize = { kind: "warp", heightPx: 1, widthPx: 2 } as const;

  const { shape, data } = preprocessPicture(image, {
    ...preprocessing,
    resize,
    mean: [0, 0, 0],
    scale: [1, 2, 3],
    layout: "nchw",
  });

  expect(shape).toEqual([1, 3, 1, 2]);
  expect([...new Float32Array(data.buffer)]).toEqual([10, 40, 40, 100, 90, 180]);
});

test("preprocessing subtracts the means, and can turn the channels round", () => {
  const image = { heightPx: 1, widthPx: 1, pixels: Uint8Array.of(200, 100, 50) };
  const resize = { kind: "warp", heightPx: 1, widthPx: 1 } as const;

  const rgb = preprocessPicture(image, { ...preprocessing, resize });
  const bgr = preprocessPicture(image, { ...preprocessing, resize, channelOrder: "bgr" });

  const values = [...new Float32Array(rgb.data.buffer)];
  expect(rgb.shape).toEqual([1, 1, 1, 3]);
  expect(values[0]).toBeCloseTo(76.32, 4);
  expect([...new Float32Array(bgr.data.buffer)]).toEqual(values.toReversed());
});

test("a letterbox keeps the proportions and fills the rest, in every layout and type", () => {
  fc.assert(
    fc.property(
      anyImage,
      fc.constantFrom("both-sides" as const, "end" as const),
      fc.constantFrom("nhwc" as const, "nchw" as const, "hwc" as const, "chw" as const),
      fc.constantFrom("FP32" as const, "FP16" as const, "UINT8" as const),
      (image, padding, layout, dtype) => {
        const [height, width] = [8, 6];
        const tensor = preprocessPicture(image, {
          resize: { kind: "letterbox", heightPx: height, widthPx: width, padValue: 114, padding },
          coordinates: "half-pixel",
          channelOrder: "rgb",
          mean: [0, 0, 0],
          scale: 1,
          layout,
          dtype,
        });

        const factor = Math.min(height / image.heightPx, width / image.widthPx);
        const [rows, columns] = [
          Math.max(1, Math.round(image.heightPx * factor)),
          Math.max(1, Math.round(image.widthPx * factor)),
        ];
        const top = padding === "end" ? 0 : Math.floor((height - rows) / 2);
        const left = padding === "end" ? 0 : Math.floor((width - columns) / 2);
        const inside = straightforward(image, [rows, columns], "half-pixel");
        const isPlanes = layout.endsWith("chw");
        expect(tensor.shape.slice(layout.startsWith("n") ? 1 : 0)).toEqual(
          isPlanes ? [3, height, width] : [height, width, 3],
        );
        for (let y = 0; y < height; y += 1) {
          for (let x = 0; x < width; x += 1) {
            for (let channel = 0; channel < 3; channel += 1) {
              const [row, column] = [y - top, x - left];
              const isInside = row >= 0 && row < rows && column >= 0 && column < columns;
              const expected = isInside
                ? (inside[(row * columns + column) * 3 + channel] ?? Number.NaN)
                : 114;
              const at = isPlanes
                ? (channel * height + y) * width + x
                : (y * width + x) * 3 + channel;
              const difference = Math.abs(elementAt(tensor, at) - expected);
              expect(difference).toBeLessThan({ FP32: 0.01, FP16: 0.08, UINT8: 0.51 }[dtype]);
            }
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

function elementAt({ dtype, data }: FixedSizeTensor, at: number): number {
  const view = new DataView(data.buffer, data.byteOffset);
  if (dtype === "UINT8") return view.getUint8(at);
  return dtype === "FP16"
    ? float16Value(view.getUint16(at * 2, true))
    : view.getFloat32(at * 4, true);
}

test("a picture that keeps its size is sent pixel by pixel", () => {
  const image = { heightPx: 1, widthPx: 2, pixels: Uint8Array.of(10, 20, 30, 40, 50, 60) };

  const { dtype, shape, data } = preprocessPicture(image, {
    ...preprocessing,
    resize: { kind: "fit", longerPx: 1_333 },
    mean: [0, 0, 0],
    dtype: "UINT8",
  });

  expect({ dtype, shape, data: [...data] }).toEqual({
    dtype: "UINT8",
    shape: [1, 1, 2, 3],
    data: [10, 20, 30, 40, 50, 60],
  });
});
