import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { GraphDefSchema } from "@tensorgate/proto/tensorflow/graph";
import { SavedModelSchema } from "@tensorgate/proto/tensorflow/saved_model";
import { afterAll, expect, test } from "vitest";
import { inspectSavedModel } from "./inspect-saved-model.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-savedmodel-"));
afterAll(() => rmSync(folder, { recursive: true }));

function folderWith(name: string, files: Readonly<Record<string, Uint8Array | string>>): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(path, file), bytes);
  return path;
}

const graph = { node: [{ name: "x", op: "Placeholder" }] };
const saved = (tags: readonly string[][]) =>
  toBinary(
    SavedModelSchema,
    create(SavedModelSchema, {
      metaGraphs: tags.map((each) => ({
        metaInfoDef: { tags: each, tensorflowVersion: "2.14.0" },
        graphDef: graph,
        signatureDef: {
          serving_default: {
            inputs: {
              x: {
                encoding: { case: "name" as const, value: "x:0" },
                dtype: 1,
                tensorShape: { dim: [{ size: -1n }, { size: 3n }] },
              },
            },
            outputs: { y: { encoding: { case: "name" as const, value: "y:0" }, dtype: 9 } },
            methodName: "tensorflow/serving/predict",
          },
          __saved_model_init_op: { outputs: {} },
        },
      })),
    }),
  );

test("a SavedModel tells its version, its tags, its signatures and its size", async () => {
  const bytes = saved([["serve"]]);
  const path = folderWith("whole", { "saved_model.pb": bytes, "fingerprint.pb": "12345" });

  expect(await inspectSavedModel(path)).toEqual({
    kind: "saved-model",
    tensorflowVersion: "2.14.0",
    tags: ["serve"],
    signatures: new Map([
      [
        "serving_default",
        {
          inputs: new Map([["x", { dtype: "FP32", shape: [-1, 3], graphName: "x:0" }]]),
          outputs: new Map([["y", { dtype: "INT64", shape: undefined, graphName: "y:0" }]]),
          methodName: "tensorflow/serving/predict",
        },
      ],
    ]),
    byteCount: bytes.byteLength + 5,
  });
});

test("the graph for inference is taken among several", async () => {
  const path = folderWith("two", { "saved_model.pb": saved([["train"], ["serve", "gpu"]]) });

  expect((await inspectSavedModel(path)).tags).toEqual(["serve", "gpu"]);
});

test("a frozen graph has no signatures", async () => {
  const bytes = toBinary(GraphDefSchema, create(GraphDefSchema, graph));
  const path = folderWith("frozen", { "frozen.pb": bytes });

  expect(await inspectSavedModel(path)).toMatchObject({
    kind: "frozen-graph",
    tags: [],
    signatures: new Map(),
    byteCount: bytes.byteLength,
  });
});

test.each([
  { name: "a folder with nothing", files: {}, text: "found no .pb file" },
  {
    name: "text",
    files: { "saved_model.pbtxt": "" },
    text: "SavedModels as text are not supported",
  },
  { name: "two graphs", files: { "b.pb": "", "a.pb": "" }, text: "found a.pb, b.pb" },
  { name: "an empty graph", files: { "a.pb": "" }, text: "the graph has no node" },
  {
    name: "a cut file",
    files: { "saved_model.pb": saved([["serve"]]).subarray(0, -1) },
    text: "not a SavedModel",
  },
  { name: "something else", files: { "saved_model.pb": "PK\x03\x04" }, text: "not a SavedModel" },
  {
    name: "no graph for inference",
    files: { "saved_model.pb": saved([["train"], ["eval"]]) },
    text: 'no graph has the tag "serve"; tags: [train] [eval]',
  },
])("$name is refused", async ({ name, files, text }) => {
  const path = folderWith(name, files as Readonly<Record<string, string>>);

  await expect(inspectSavedModel(path)).rejects.toMatchObject({
    name: "SavedModelError",
    fault: "unreadable",
    message: expect.stringContaining(text),
  });
});

const samples = fileURLToPath(new URL("../../../../shared/data/savedmodels", import.meta.url));

test.skipIf(!existsSync(samples))("TensorFlow's own samples are read", async () => {
  const old = await inspectSavedModel(join(samples, "saved_model_half_plus_two_cpu/00000123"));
  const counter = await inspectSavedModel(join(samples, "saved_model_counter/00000123"));

  expect(old.tensorflowVersion).toMatch(/^1\./);
  expect(old.signatures.get("serving_default")?.inputs.get("x")?.graphName).toBe("x:0");
  expect([...counter.signatures.keys()]).toContain("incr_counter");
});

test("a graph of 3 GB is refused before it is read", async () => {
  const path = folderWith("huge", { "saved_model.pb": "" });
  truncateSync(join(path, "saved_model.pb"), 3 * 2 ** 30);

  await expect(inspectSavedModel(path)).rejects.toMatchObject({
    fault: "too-large",
    message: expect.stringContaining("has 3221225472 bytes; at most 2147483647 are accepted"),
  });
});
