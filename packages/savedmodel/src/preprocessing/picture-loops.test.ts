import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { convertSavedModel } from "../convert-saved-model.ts";
import { type TestNode, testConstant, testNode, writeFrozenGraph } from "../testing/index.ts";
import {
  decodedPicture,
  mapLoop,
  middle,
  resizedPicture,
  shorterSide,
  withoutMeans,
} from "../testing/loops.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-loops-"));
afterAll(() => rmSync(folder, { recursive: true }));

const float = { T: { type: "FP32" } } as const;
let count = 0;

/** Converts a map with this body, and a network that doubles its result. */
async function convertLoop(body: readonly TestNode[]) {
  count += 1;
  const nodes = [
    ...mapLoop(body),
    testConstant("twice", 2),
    testNode("Mul", "y", ["mapped", "twice"], float),
  ];
  const file = writeFrozenGraph(join(folder, String(count), "frozen.pb"), nodes);
  return convertSavedModel(file, { inputs: ["images:0"], outputs: ["y:0"] });
}

const warped = (attributes?: Parameters<typeof testNode>[3]) => [
  ...decodedPicture,
  testConstant("size", [48, 56], { dtype: "INT32" }),
  ...resizedPicture(attributes),
];
const scaled = (from: string, to: string) => [
  testConstant("factor", 1 / 127.5),
  testConstant("shift", 1),
  testNode("Mul", "times", [from, "factor"], float),
  testNode("Sub", to, ["times", "shift"], float),
];

describe("a map over encoded pictures becomes a declaration", () => {
  test("shorter side, middle and means, as slim's networks have them", async () => {
    const { preprocessing, inputs, outputs, nodeCount } = await convertLoop([
      ...decodedPicture,
      ...shorterSide,
      ...resizedPicture(),
      ...middle,
      ...withoutMeans("middle"),
    ]);

    expect(preprocessing).toEqual({
      resize: { kind: "shorter-side", px: 64, crop: { heightPx: 48, widthPx: 56 } },
      coordinates: "tensorflow-1",
      channelOrder: "rgb",
      mean: [123.68, 116.779, 103.939],
      scale: 1,
    });
    expect(inputs).toEqual([
      {
        name: "images",
        key: "images",
        graphName: "images:0",
        dtype: "FP32",
        shape: [-1, 48, 56, 3],
        preprocessing,
      },
    ]);
    expect(outputs[0]?.shape).toEqual([-1, 48, 56, 3]);
    expect(nodeCount).toBe(2);
  });

  test("a warp with half pixels, to −1..1", async () => {
    const { preprocessing } = await convertLoop([
      ...warped({ half_pixel_centers: true }),
      ...scaled("resized", "result"),
    ]);

    expect(preprocessing).toMatchObject({
      resize: { kind: "warp", heightPx: 48, widthPx: 56 },
      coordinates: "half-pixel",
      mean: [127.5, 127.5, 127.5],
      scale: 0.007843138,
    });
  });

  test("channels in the other order", async () => {
    const { preprocessing } = await convertLoop([
      ...warped(),
      testConstant("last", [-1], { dtype: "INT32" }),
      testNode("ReverseV2", "result", ["resized", "last"], float),
    ]);

    expect(preprocessing).toMatchObject({ channelOrder: "bgr", mean: [0, 0, 0], scale: 1 });
  });
});

describe("what cannot be declared is refused with the reason", () => {
  test.each([
    {
      name: "no resize",
      body: [...decodedPicture, ...withoutMeans("pixels")],
      text: "the size of the result depends on the picture",
    },
    {
      name: "sides that are rounded to the nearest",
      body: [
        ...decodedPicture,
        ...shorterSide.filter(({ name }) => !/^(new_|size)/.test(name ?? "")),
        testNode("Round", "round_h", ["scaled_h"], float),
        testNode("Round", "round_w", ["scaled_w"], float),
        testNode("Cast", "new_h", ["round_h"], { DstT: { type: "INT32" } }),
        testNode("Cast", "new_w", ["round_w"], { DstT: { type: "INT32" } }),
        testNode("Pack", "size", ["new_h", "new_w"], { axis: 0, N: 2 }),
        ...resizedPicture(),
        ...middle,
        ...withoutMeans("middle"),
      ],
      text: "pictures are brought to their size in a way that cannot be declared",
    },
    {
      name: "aligned corners",
      body: [...warped({ align_corners: true }), ...withoutMeans("resized")],
      text: "their corners aligned",
    },
    {
      name: "something random",
      body: [...warped(), testNode("RandomCrop", "result", ["resized"])],
      text: "RandomCrop: it has no meaning for the preprocessing of a picture",
    },
    {
      name: "a contrast",
      body: [...warped(), testNode("Mul", "result", ["resized", "resized"], float)],
      text: "Mul: with what is not constant",
    },
    { name: "no picture", body: [testNode("DecodeRaw", "result", ["read"])], text: "DecodeRaw" },
  ])("$name", async ({ body, text }) => {
    await expect(convertLoop(body)).rejects.toMatchObject({
      fault: "unsupported",
      message: expect.stringContaining(text),
    });
  });

  test("a loop that is no map, rather than its circle", async () => {
    const nodes = mapLoop([testNode("Neg", "result", ["read"], float)]);
    const file = writeFrozenGraph(join(folder, "circle", "frozen.pb"), nodes);

    await expect(
      convertSavedModel(file, { inputs: ["images:0"], outputs: ["exit:0"] }),
    ).rejects.toThrow("Exit: a loop that is not a map over encoded pictures (exit)");
  });

  test("a loop that writes no array", async () => {
    const nodes = mapLoop([testNode("Neg", "result", ["read"], float)]);
    const file = writeFrozenGraph(
      join(folder, "unwritten", "frozen.pb"),
      nodes.filter(({ op }) => op !== "TensorArrayWriteV3"),
    );

    await expect(
      convertSavedModel(file, { inputs: ["images:0"], outputs: ["mapped:0"] }),
    ).rejects.toMatchObject({ operators: [{ op: "TensorArrayGatherV3", nodes: ["mapped"] }] });
  });

  test("a picture that is decoded without a map", async () => {
    const nodes = [
      testNode("Placeholder", "images", [], { dtype: { type: "BYTES" } }),
      testNode("DecodeJpeg", "y", ["images"], { channels: 3 }),
    ];
    const file = writeFrozenGraph(join(folder, "single", "frozen.pb"), nodes);

    await expect(
      convertSavedModel(file, { inputs: ["images:0"], outputs: ["y:0"] }),
    ).rejects.toThrow("of a picture that is not an element of a map over the input");
  });
});
