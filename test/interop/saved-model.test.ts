import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  bytesTensor,
  type FixedSizeTensor,
  fixedSizeTensor,
  float32Values,
  type Tensor,
} from "@tensorgate/core";
import { preprocessPicture } from "@tensorgate/imaging";
import { convertModel, startModelServer } from "@tensorgate/model-server";
import { convertSavedModel } from "@tensorgate/savedmodel";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createServingCaller } from "../../packages/model-server/src/testing.ts";
import { hasPeers, runPeer, setUpPeer } from "../support/peers.ts";

// SavedModels of a real TensorFlow, with random weights, served by the model server, beside TensorFlow's own answers.

const peersHome = process.env["PEERS_HOME"] ?? join(homedir(), ".cache", "tensorgate-peers");
const python = join(peersHome, "venv", "tensorflow-graphs", "bin", "python");
const graphs = join(peersHome, "tensorflow-graphs", "graphs");

/** A graph is made once; TensorFlow needs minutes for some. */
const graphTimeoutMs = 900_000;

/** Largest difference, relative to the largest answer (at least 1). */
const bound = 5e-6;

interface OracleEntry {
  readonly file: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}
type Entries = Readonly<Record<string, OracleEntry>>;

interface Oracle {
  readonly inputs: Entries;
  readonly outputs: Entries;
  /** Of the graph that decodes pictures. */
  readonly names: Readonly<Record<"loop" | "scores" | "images", string>>;
  readonly cases: readonly {
    readonly picture: string;
    readonly pixels: OracleEntry;
    readonly loop: OracleEntry;
    readonly outputs: Entries;
  }[];
}

const oracleOf = (folder: string): Oracle =>
  JSON.parse(readFileSync(join(folder, "oracle.json"), "utf8")) as Oracle;

const dtypes = { float32: "FP32", uint8: "UINT8", int32: "INT32", int64: "INT64" } as const;

function tensorOf(folder: string, { file, dtype, shape }: OracleEntry): FixedSizeTensor {
  const data = new Uint8Array(readFileSync(join(folder, file)));
  return fixedSizeTensor(dtypes[dtype as keyof typeof dtypes], shape, data);
}

function largest(values: ArrayLike<number>): number {
  let at = 0;
  for (let index = 1; index < values.length; index += 1) {
    if ((values[index] as number) > (values[at] as number)) at = index;
  }
  return at;
}

/** Compares one output: within the bound, and for scores of classes with the same largest class. */
function expectSame(
  name: string,
  actual: Tensor | undefined,
  wanted: FixedSizeTensor,
  most = bound,
) {
  expect(actual, name).toBeDefined();
  if (!actual) return;
  const [got, expected] = [float32Values(actual), float32Values(wanted)];
  expect(got.length, `elements of ${name}`).toBe(expected.length);
  let difference = 0;
  let size = 1;
  for (let index = 0; index < expected.length; index += 1) {
    const value = expected[index] as number;
    difference = Math.max(difference, Math.abs((got[index] as number) - value));
    size = Math.max(size, Math.abs(value));
  }
  expect(difference / size, `difference of ${name}`).toBeLessThanOrEqual(most);
  if (wanted.shape.length !== 2) return;
  const width = wanted.shape[1] as number;
  for (let row = 0; row < expected.length; row += width) {
    const of = (values: Float32Array) => largest(values.subarray(row, row + width));
    expect(of(got), `largest class of ${name}`).toBe(of(expected));
  }
}

/** Serves a folder of versions, and scores tensors. */
async function scored(
  basePath: string,
  cacheFolder: string,
  inputs: readonly Readonly<Record<string, Tensor>>[],
): Promise<readonly ReadonlyMap<string, Tensor>[]> {
  const models = { name: "m", basePath };
  const server = await startModelServer({ port: 0, models, cacheFolder });
  try {
    using caller = createServingCaller(server.port);
    const answers: ReadonlyMap<string, Tensor>[] = [];
    for (const each of inputs) answers.push(await caller.score("m", each));
    return answers;
  } finally {
    await server.close(0);
  }
}

test.skipIf(hasPeers)("SavedModels are skipped: the folder of peers is not here", () => {});

describe.runIf(hasPeers)("beside TensorFlow", () => {
  const cacheFolder = mkdtempSync(join(tmpdir(), "tensorgate-converted-"));
  afterAll(() => rmSync(cacheFolder, { recursive: true }));
  let missing: string | undefined;
  beforeAll(async () => {
    missing = await setUpPeer("tensorflow-graphs/setup.sh", []);
    mkdirSync(graphs, { recursive: true });
  }, graphTimeoutMs);

  /** @returns the folder of a graph; why it could not be made, if so */
  async function made(name: string): Promise<{ readonly folder: string; readonly fault?: string }> {
    const folder = join(graphs, name);
    if (existsSync(join(folder, "oracle.json"))) return { folder };
    const { code, output } = await runPeer("tensorflow-graphs/make.sh", [graphs, name]);
    return code === 0 ? { folder } : { folder, fault: output };
  }

  /** Runs a script of this folder, unless it has not changed since. */
  function madeBy(script: string): string {
    const file = fileURLToPath(new URL(script, import.meta.url));
    const key = createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 12);
    const folder = join(graphs, `${script}-${key}`);
    if (existsSync(join(folder, "oracle.json"))) return folder;
    const making = mkdtempSync(join(graphs, ".making-"));
    const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3", CUDA_VISIBLE_DEVICES: "" };
    execFileSync(python, ["-B", file, making], { env, stdio: ["ignore", "ignore", "pipe"] });
    renameSync(making, folder);
    return folder;
  }

  async function expectAnswers(folder: string): Promise<void> {
    const { inputs, outputs } = oracleOf(folder);
    const given = Object.entries(inputs).map(([key, each]) => [key, tensorOf(folder, each)]);
    const [answer] = await scored(folder, cacheFolder, [Object.fromEntries(given)]);
    for (const [key, each] of Object.entries(outputs)) {
      expectSame(key, answer?.get(key), tensorOf(folder, each));
    }
  }

  test.for([
    "half_plus_two_tf1",
    "half_plus_two_tf2",
    "ops",
    "keras2_MobileNetV2",
    "keras2_DenseNet121",
    "keras3_MobileNetV2",
    "keras3_MobileNetV3Small",
    "keras3_DenseNet121",
    "keras3_ResNet50",
    "keras3_ResNet50V2",
    "keras3_VGG16",
    "keras3_EfficientNetB0",
    "keras3_InceptionV3",
    "keras3_Xception",
    "keras3_NASNetMobile",
    "keras3_ConvNeXtTiny",
  ])("%s", { timeout: graphTimeoutMs }, async (name, context) => {
    const { folder, fault } = missing ? { folder: "", fault: missing } : await made(name);
    if (missing) return context.skip(missing);
    expect(fault).toBeUndefined();

    await expectAnswers(folder);
  });

  test.for([
    { name: "SSD-VGG, with its twelve outputs", script: "ssd_vgg_graph.py", outputCount: 12 },
    { name: "operators that networks seldom have", script: "op_graph.py", outputCount: 82 },
  ])("$name", { timeout: graphTimeoutMs }, async ({ script, outputCount }, context) => {
    if (missing) return context.skip(missing);
    const folder = madeBy(script);

    expect(Object.keys(oracleOf(folder).outputs)).toHaveLength(outputCount);
    await expectAnswers(folder);
  });

  describe.each(["article_tf1", "article_tf2"])("%s", (name) => {
    let folder = "";
    beforeAll(async () => {
      if (!missing) folder = (await made(name)).folder;
    }, graphTimeoutMs);

    test("the network, from the tensor after the loop", async (context) => {
      if (missing) return context.skip(missing);
      const { cases, names } = oracleOf(folder);
      const to = join(cacheFolder, name, "1");
      // Of the frozen graph: it has no signature.
      const from = join(folder, "frozen.pb");
      const { inputs, outputs } = await convertModel({
        from,
        to,
        inputs: [names.loop],
        outputs: [names.scores],
      });
      const [input = "", output = ""] = [inputs[0]?.key, outputs[0]?.key];

      const answers = await scored(
        join(cacheFolder, name),
        cacheFolder,
        cases.map(({ loop }) => {
          const { data, shape } = tensorOf(folder, loop);
          return { [input]: fixedSizeTensor("FP32", [1, ...shape.slice(-3)], data) };
        }),
      );

      for (const [index, each] of cases.entries()) {
        const [wanted] = Object.values(each.outputs);
        if (wanted) expectSame(each.picture, answers[index]?.get(output), tensorOf(folder, wanted));
      }
    });

    test("the preparation of pictures that is found does what the loop does", async (context) => {
      if (missing) return context.skip(missing);
      const { cases } = oracleOf(folder);
      const pictures = cases.map(({ pixels }) => {
        const { data, shape } = tensorOf(folder, pixels);
        const [heightPx = 0, widthPx = 0] = shape;
        return { heightPx, widthPx, pixels: data };
      });
      const found = await convertSavedModel(join(folder, "1"), { pictures });
      const { preprocessing, prepared } = found;
      if (!preprocessing) throw new Error("no preprocessing was found");

      for (const [index, { picture, loop }] of cases.entries()) {
        const image = pictures[index];
        const computed = prepared[index];
        if (!image || !computed) throw new Error(`nothing was made of ${picture}`);
        const made = preprocessPicture(image, preprocessing);
        const wanted = float32Values(tensorOf(folder, loop));
        // What the conversion compares the declaration with is what TensorFlow computes, to the last bit.
        expect(float32Values(computed.tensor), picture).toEqual(wanted);
        const worst = float32Values(made).reduce(
          (most, value, index) => Math.max(most, Math.abs(value - (wanted[index] as number))),
          0,
        );
        expect(worst, picture).toBeLessThanOrEqual(0.01);
      }
    });

    test("JPEG strings, with another decoder than TensorFlow's", async (context) => {
      if (missing) return context.skip(missing);
      const { cases } = oracleOf(folder);
      const pictures = cases.map(({ picture }) => readFileSync(join(folder, picture)));

      const answers = await scored(
        folder,
        cacheFolder,
        pictures.map((bytes) => ({ images: bytesTensor([1], [bytes]) })),
      );

      for (const [index, each] of cases.entries()) {
        const [[key = "", wanted]] = Object.entries(each.outputs) as [[string, OracleEntry]];
        expectSame(each.picture, answers[index]?.get(key), tensorOf(folder, wanted), 0.02);
      }
    });
  });
});
