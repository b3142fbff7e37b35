import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { openRegistry, type Registry } from "../registry.ts";
import { filesFrom, quickChanges, temporaryFolder } from "../testing.ts";
import { openAzurePlace } from "./azure-container.ts";
import type { ObjectContainer } from "./object-container.ts";
import { createObjectStore } from "./object-store.ts";

let registry: Registry;
let folder: string;
let objects: Map<string, { readonly bytes: Uint8Array; readonly sha256?: string }>;
let downloads: (readonly [path: string, start: number])[];

beforeEach(async ({ onTestFinished }) => {
  const temporary = temporaryFolder();
  onTestFinished(() => temporary[Symbol.dispose]());
  folder = temporary.path;
  objects = new Map();
  downloads = [];
  registry = openRegistry(join(folder, "registry"), { changes: quickChanges });
  const from = filesFrom({ "model.onnx": "0123456789", "manifest.json": "{}" });
  await registry.register("m", { from, tags: { a: "b" } });
});

const container: ObjectContainer = {
  read: async (path) => objects.get(path)?.bytes,
  sha256Of: async (path) => objects.get(path)?.sha256,
  writeFile: async (path, { file, sha256, byteCount, onBytes }) => {
    objects.set(path, { bytes: readFileSync(file), sha256 });
    onBytes?.(byteCount);
    return 0;
  },
  create: async (path, bytes) => {
    if (objects.has(path)) return false;
    objects.set(path, { bytes });
    return true;
  },
  download: async (path, { file, start }) => {
    downloads.push([path, start]);
    appendFileSync(file, objects.get(path)?.bytes.subarray(start) ?? "");
  },
};
const store = createObjectStore(async (target) => ({
  container,
  path: target.replace("test://", ""),
}));
const push = async (target = "test://m/1") =>
  store.push(await registry.version("m"), target, { uploads: "" });
const fetchIt = () => store.fetch("test://m/1", { downloads: join(folder, "downloads") });

test("a version has the layout of the registry, with registration.json as the last object", async () => {
  await push();

  expect([...objects.keys()]).toEqual([
    "m/1/model.onnx",
    "m/1/manifest.json",
    "m/1/registration.json",
  ]);
  expect(await fetchIt()).toMatchObject({
    name: "m",
    version: 1n,
    tags: { a: "b" },
    files: [{ path: "model.onnx" }, { path: "manifest.json" }],
  });
});

test("a push that was interrupted sends the rest", async () => {
  await push();
  objects.delete("m/1/registration.json");
  objects.delete("m/1/manifest.json");

  expect(await push()).toMatchObject({ sentBytes: 2, presentBytes: 10 });
  expect(await push()).toMatchObject({ sentBytes: 0, presentBytes: 12 });
});

test("a version that another has taken the place of is refused", async () => {
  await push();
  await registry.register("m", { from: filesFrom({ "model.onnx": "another" }) });

  await expect(push()).rejects.toThrow("test://m/1 holds another version");
});

test("two may push the same version to one place at the same time", async () => {
  const [one, other] = await Promise.all([push(), push()]);

  expect([one.reference, other.reference]).toEqual(["test://m/1", "test://m/1"]);
  expect(await fetchIt()).toMatchObject({ name: "m", version: 1n });
});

test("of two that push different versions to one place at the same time one is refused", async () => {
  const late: ObjectContainer = { ...container, create: async () => false };
  const other = createObjectStore(async () => ({ container: late, path: "m/1" }));

  await expect(
    other.push(await registry.version("m"), "test://m/1", { uploads: "" }),
  ).rejects.toThrow("holds another version");
});

test("a download is continued where it broke off", async () => {
  await push();
  await fetchIt();
  const sha256 = createHash("sha256").update("0123456789").digest("hex");
  writeFileSync(join(folder, "downloads", sha256), "0123");
  downloads = [];

  await fetchIt();

  expect(downloads).toEqual([["m/1/model.onnx", 4]]);
});

test.each<{ name: string; path: string; text: string; says: string }>([
  { name: "another digest", path: "m/1/model.onnx", text: "9876543210", says: "not 84d898" },
  { name: "no JSON", path: "m/1/registration.json", text: "<xml>", says: "not valid JSON" },
  { name: "another JSON", path: "m/1/registration.json", text: "{}", says: "is not a file of" },
])("an object with $name is refused", async ({ path, text, says }) => {
  await push();
  objects.set(path, { bytes: new TextEncoder().encode(text) });

  await expect(fetchIt()).rejects.toThrow(says);
});

test("files that leave the folder are refused", async () => {
  await push();
  const text = new TextDecoder().decode(objects.get("m/1/registration.json")?.bytes);
  const bytes = new TextEncoder().encode(text.replaceAll('"model.onnx"', '"../model.onnx"'));
  objects.set("m/1/registration.json", { bytes });

  await expect(fetchIt()).rejects.toThrow("is not a file of a registry");
});

test("a version that is not there is reported", async () => {
  await expect(fetchIt()).rejects.toThrow("test://m/1 has no registration.json");
});

test.each([
  { target: "azblob://account/container", says: "expected azblob://account/container/path" },
  { target: "azblob://account/container/m/1", says: "set AZURE_STORAGE_CONNECTION_STRING or" },
])("$target: $says", async ({ target, says }) => {
  await expect(openAzurePlace(target, {})).rejects.toThrow(says);
});
