import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Preprocessing } from "@tensorgate/core";
import { preprocessPicture } from "@tensorgate/imaging";
import { convertSavedModel, type PreparedPicture } from "@tensorgate/savedmodel";
import {
  decodedPicture,
  mapLoop,
  middle,
  resizedPicture,
  shorterSide,
  type TestNode,
  testConstant,
  testNode,
  withoutMeans,
  writeFrozenGraph,
} from "@tensorgate/savedmodel/testing";
import { afterAll, describe, expect, test } from "vitest";
import { comparedPreprocessing, drawComparedPictures } from "./compared-preprocessing.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-compared-"));
afterAll(() => rmSync(folder, { recursive: true }));

const pictures = drawComparedPictures();
const float = { T: { type: "FP32" } } as const;

/** A map with this body, with what it makes of the drawn pictures. */
function converted(name: string, body: readonly TestNode[]) {
  const nodes = [
    ...mapLoop(body),
    testConstant("twice", 2),
    testNode("Mul", "y", ["mapped", "twice"], float),
  ];
  const file = writeFrozenGraph(join(folder, name, "frozen.pb"), nodes);
  return convertSavedModel(file, { inputs: ["images:0"], outputs: ["y:0"], pictures });
}

const warped = (attributes: Parameters<typeof testNode>[3]) => [
  ...decodedPicture,
  testConstant("size", [48, 56], { dtype: "INT32" }),
  ...resizedPicture(attributes),
];

describe("a declaration is compared with what the graph computes", () => {
  test.each([
    {
      name: "shorter side, middle and means",
      body: [
        ...decodedPicture,
        ...shorterSide,
        ...resizedPicture(),
        ...middle,
        ...withoutMeans("middle"),
      ],
    },
    {
      name: "half pixels, scaled, channels reversed",
      body: [
        ...warped({ half_pixel_centers: true }),
        testConstant("factor", 1 / 127.5),
        testConstant("shift", 1),
        testNode("Mul", "times", ["resized", "factor"], float),
        testNode("Sub", "less", ["times", "shift"], float),
        testConstant("last", [-1], { dtype: "INT32" }),
        testNode("ReverseV2", "result", ["less", "last"], float),
      ],
    },
    {
      name: "luma",
      body: warped({}).map((node) =>
        node.op === "DecodeJpeg"
          ? testNode("DecodeJpeg", "decode", ["read"], { channels: 1 })
          : node.name === "resized"
            ? testNode("Squeeze", "result", ["resize"], { squeeze_dims: [0], ...float })
            : node,
      ),
    },
  ])("$name", async ({ name, body }) => {
    const check = comparedPreprocessing(await converted(name, body), pictures);

    expect(check?.pictureCount).toBe(4);
    expect(check?.maxDifference).toBeLessThan(0.001);
  });

  test("a side that the graph rounds otherwise is left out", async () => {
    const { preprocessing, prepared } = await converted("rounded", [
      ...warped({}),
      ...withoutMeans("resized"),
    ]);
    const [first, ...others] = prepared as readonly [PreparedPicture, ...PreparedPicture[]];

    const check = comparedPreprocessing(
      { preprocessing, prepared: [{ ...first, isPlacedAlike: false }, ...others] },
      pictures,
    );

    expect(check?.pictureCount).toBe(3);
  });
});

describe("a difference of more than 0.01 of 255 is refused", () => {
  const declared: Preprocessing = {
    resize: { kind: "warp", heightPx: 48, widthPx: 56 },
    coordinates: "tensorflow-1",
    channelOrder: "rgb",
    mean: [0, 0, 0],
    scale: 1,
  };
  test.each<{ name: string; graph: Preprocessing; of: RegExp }>([
    { name: "a mean", graph: { ...declared, mean: [0.02, 0, 0] }, of: /: 0\.020 of 255/ },
    { name: "coordinates", graph: { ...declared, coordinates: "half-pixel" }, of: /\d of 255/ },
    { name: "channels", graph: { ...declared, channelOrder: "bgr" }, of: /\d of 255/ },
    {
      name: "a size",
      graph: { ...declared, resize: { kind: "warp", heightPx: 56, widthPx: 56 } },
      of: /Infinity of 255/,
    },
  ])("$name", ({ graph, of }) => {
    const prepared = pictures.map((picture) => ({
      tensor: preprocessPicture(picture, graph),
      isPlacedAlike: true,
    }));

    expect(() => comparedPreprocessing({ preprocessing: declared, prepared }, pictures)).toThrow(
      of,
    );
  });
});
