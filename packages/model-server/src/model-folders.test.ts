import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseManifest } from "./manifest.ts";
import { bundledModelsDirectory, findModels, versionFromFolder } from "./model-folders.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-folders-"));
afterAll(() => rmSync(folder, { recursive: true }));

function addModel(name: string, version: string): void {
  mkdirSync(join(folder, name, version), { recursive: true });
  writeFileSync(join(folder, name, version, "model.onnx"), "");
}

test("the newest version of each model is found, by number", () => {
  addModel("a", "9");
  addModel("a", "0010");
  addModel("a", "notes");
  addModel("b", "1");

  const found = findModels({ directory: folder }).map(({ name, version }) => `${name}@${version}`);

  expect(found).toEqual(["a@10", "b@1"]);
});

test("a single model is named as TensorFlow Serving's flags do", () => {
  addModel("c", "7");

  expect(findModels({ name: "mine", basePath: join(folder, "c") })).toMatchObject([
    { name: "mine", version: 7n },
  ]);
});

test.each([
  { source: { directory: "/nowhere" }, text: "folder /nowhere not found" },
  {
    source: { name: "x", basePath: "/nowhere" },
    text: "expected /nowhere/<number>/model.onnx or saved_model.pb",
  },
])("says what was looked for: $text", ({ source, text }) => {
  expect(() => findModels(source)).toThrow(text);
});

test.each([
  ["0012", 12n],
  ["9223372036854775808", undefined],
  ["-1", undefined],
  ["1.0", undefined],
])("folder %s is version %s", (name, version) => {
  expect(versionFromFolder(name)).toBe(version);
});

test("the bundled shapes model has its labels and says that it was trained", () => {
  const [shapes, detector] = findModels({ directory: bundledModelsDirectory });

  expect(shapes?.manifest).toMatchObject({ weights: "trained" });
  expect(shapes?.manifest?.labels).toHaveLength(16);
  expect(detector?.manifest?.labels).toEqual(["background", ...(shapes?.manifest?.labels ?? [])]);
});

test("signatures beside a manifest go with it, and must be some", () => {
  addModel("converted", "1");
  const place = join(folder, "converted", "1");
  writeFileSync(join(place, "manifest.json"), '{"weights":"given","signatures":{}}');
  writeFileSync(join(place, "signatures.pb"), Buffer.from([0x0a, 0x02, 0x0a, 0x00]));
  const source = { name: "converted", basePath: join(folder, "converted") };

  expect(findModels(source)[0]?.manifest?.encodedSignatures).toHaveLength(4);
  writeFileSync(join(place, "signatures.pb"), Buffer.from([0x0a, 0x7f]));
  expect(() => findModels(source)).toThrow("signatures.pb is not a SignatureDefMap");
});

test("a manifest's faults are reported with their paths", () => {
  expect(() => parseManifest("{", "m.json")).toThrow("m.json is not valid JSON");
  expect(() => parseManifest('{"weights":"new","signatures":{}}', "m.json")).toThrow("weights");
});
