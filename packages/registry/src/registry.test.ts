import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { openRegistry, type Registry } from "./registry.ts";
import { filesFrom, quickChanges, temporaryFolder } from "./testing.ts";

const sha256OfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const onnx = filesFrom({ "model.onnx": "abc" });

let registry: Registry;
let folder: string;
const open = () =>
  openRegistry(join(folder, "registry"), { nowMs: () => 0, changes: quickChanges });

beforeEach(({ onTestFinished }) => {
  const temporary = temporaryFolder();
  onTestFinished(() => temporary[Symbol.dispose]());
  folder = temporary.path;
  registry = open();
});

/** Writes a folder with files to register. */
function savedModel(files: Readonly<Record<string, string>>): string {
  const from = join(folder, "from");
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(from, path, ".."), { recursive: true });
    writeFileSync(join(from, path), text);
  }
  return from;
}

describe("register", () => {
  test.each([
    { name: "frozen.pb", files: { "frozen.pb": "abc" } },
    { name: "another name", files: { "frozen_inference_graph.pb": "abc", "fingerprint.pb": "f" } },
  ])("copies a folder with a frozen graph of $name as one form", async ({ files }) => {
    const from = savedModel({ ...files, "labels.txt": "cat" });

    const { forms } = await registry.register("m", { from });

    expect(Object.keys(forms)).toEqual(["saved-model"]);
    expect(forms["saved-model"]?.files).toContainEqual({
      path: "frozen.pb",
      byteCount: 3,
      sha256: sha256OfAbc,
    });
    expect(forms["saved-model"]?.files.map(({ path }) => path)).toContain("labels.txt");
    const converted = await registry.addFiles("m", onnx);
    expect(converted.forms.onnx?.files.map(({ path }) => path)).toEqual(["model.onnx"]);
  });

  test("refuses a folder with several graphs, and lists them", async () => {
    const from = savedModel({ "a.pb": "a", "b.pb": "b" });

    await expect(registry.register("m", { from })).rejects.toThrow(
      "several graphs (a.pb, b.pb); register one of these files",
    );
  });

  test("files of any name beside model.onnx are its weights", async () => {
    const from = savedModel({ "model.onnx": "abc", "model.onnx.data": "w", "saved_model.pb": "s" });

    const { forms } = await registry.register("m", { from });

    expect(forms.onnx?.files.map(({ path }) => path)).toEqual(["model.onnx", "model.onnx.data"]);
    expect(forms["saved-model"]?.files.map(({ path }) => path)).toEqual(["saved_model.pb"]);
  });

  test("copies a SavedModel to the layout of TensorFlow Serving, with digests", async () => {
    const from = savedModel({
      "saved_model.pb": "abc",
      "variables/variables.index": "i",
      "assets/words.txt": "w",
      ".git/config": "no part of it",
    });

    const version = await registry.register("resnet50", {
      from,
      description: "of the article",
      tags: { team: "vision" },
      aliases: ["champion"],
    });

    expect(version).toMatchObject({
      version: 1n,
      folder: join(registry.directory, "resnet50/1"),
      description: "of the article",
      tags: { team: "vision" },
      aliases: ["champion"],
      createdAt: "1970-01-01T00:00:00.000Z",
      source: from,
    });
    expect(version.forms["saved-model"]?.files).toEqual([
      expect.objectContaining({ path: "assets/words.txt", byteCount: 1 }),
      { path: "saved_model.pb", byteCount: 3, sha256: sha256OfAbc },
      expect.objectContaining({ path: "variables/variables.index" }),
    ]);
    expect(readFileSync(join(version.folder, "saved_model.pb"), "utf8")).toBe("abc");
    expect(readdirSync(version.folder).toSorted()).toEqual([
      "assets",
      "registration.json",
      "saved_model.pb",
      "variables",
    ]);
  });

  test("gives numbers in order, and reads an ONNX file", async () => {
    writeFileSync(join(folder, "any.onnx"), "abc");

    const first = await registry.register("m", { from: join(folder, "any.onnx") });
    const second = await registry.register("m", { from: onnx });

    expect([first.version, second.version]).toEqual([1n, 2n]);
    expect(first.forms.onnx).toEqual({
      sha256: sha256OfAbc,
      byteCount: 3,
      files: [{ path: "model.onnx", sha256: sha256OfAbc, byteCount: 3 }],
    });
  });

  test("gives twenty processes that register at the same time twenty numbers", async () => {
    const registries = Array.from({ length: 20 }, open);

    const versions = await Promise.all(
      registries.map((each) => each.register("m", { from: onnx })),
    );

    const numbers = versions.map(({ version }) => Number(version)).toSorted((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect((await registry.model("m")).versions).toHaveLength(20);
  });

  test("takes a number once, and never one that was deleted", async () => {
    await registry.register("m", { from: onnx, version: 7n });
    await expect(registry.register("m", { from: onnx, version: 7n })).rejects.toThrow(
      "version 7 of m already exists",
    );

    await registry.deleteVersion("m@7");

    await expect(registry.register("m", { from: onnx, version: 7n })).rejects.toThrow(
      "was deleted",
    );
    expect((await registry.register("m", { from: onnx })).version).toBe(8n);
  });

  test("reports bytes as they are copied", async () => {
    const seen: number[] = [];

    await registry.register("m", {
      from: filesFrom({ "model.onnx": "abc", "weights.bin": "12" }),
      onProgress: ({ doneBytes, totalBytes }) => seen.push(doneBytes, totalBytes),
    });

    expect(seen).toEqual([3, 5, 5, 5]);
  });

  test("leaves nothing behind when it is aborted", async () => {
    const reason = new Error("enough");

    await expect(
      registry.register("m", { from: onnx, signal: AbortSignal.abort(reason) }),
    ).rejects.toThrow("enough");

    expect(readdirSync(join(registry.directory, "m"))).toEqual([]);
  });

  test.each([
    { files: { "1/saved_model.pb": "x", "2/saved_model.pb": "x" }, says: /has versions \(1, 2\)/ },
    {
      files: { "weights.h5": "x" },
      says: /has no model; expected saved_model.pb, model.onnx or a/,
    },
  ])("refuses a folder with $files", async ({ files, says }) => {
    await expect(registry.register("m", { from: savedModel(files) })).rejects.toThrow(says);
  });

  test("refuses links that lead out of the folder", async () => {
    const from = savedModel({ "saved_model.pb": "x" });
    writeFileSync(join(folder, "secret"), "s");
    symlinkSync(join(folder, "secret"), join(from, "variables"));

    await expect(registry.register("m", { from })).rejects.toThrow(/link to a path outside/);
  });

  test.each(["../model.onnx", "/model.onnx", "a//b", "a\\b", ""])(
    "refuses a file at %j",
    async (path) => {
      const files = [...onnx, { path, content: { kind: "bytes", bytes: "" } as const }];

      await expect(registry.register("m", { from: files })).rejects.toThrow(/outside/);
    },
  );

  test.each(["", "../m", "a/b"])("refuses the name %j", async (name) => {
    await expect(registry.register(name, { from: onnx })).rejects.toThrow(/invalid model name/);
  });
});

describe("version", () => {
  test("finds the latest one, one by number and one by alias", async () => {
    await registry.register("m", { from: onnx, aliases: ["champion"] });
    await registry.register("m", { from: onnx });

    const found = await Promise.all(
      ["m", "m@1", "m@champion", "models:/m/2"].map((reference) => registry.version(reference)),
    );

    expect(found.map(({ version }) => version)).toEqual([2n, 1n, 1n, 2n]);
  });

  test.each([
    { reference: "resnet5", says: 'no model "resnet5" in' },
    { reference: "resnet5", says: "did you mean resnet50?" },
    { reference: "resnet50@2", says: "resnet50 has no version 2; versions: 1" },
    { reference: "resnet50@best", says: 'resnet50 has no alias "best"; aliases: champion' },
    { reference: "resnet50@toString", says: 'resnet50 has no alias "toString"' },
  ])("says that $reference is not there: $says", async ({ reference, says }) => {
    await registry.register("resnet50", { from: onnx, aliases: ["champion"] });

    await expect(registry.version(reference)).rejects.toThrow(says);
  });

  test("reads a folder that no registry made, and adopts it when it is tagged", async () => {
    const path = join(registry.directory, "m", "00000123");
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, "model.onnx"), "abc");

    const found = await registry.version("m");
    const tagged = await registry.annotateVersion("m@123", { tags: { stage: "test" } });

    expect(found).toMatchObject({ version: 123n, folder: path, createdAt: undefined });
    expect(found.forms.onnx?.sha256).toBe(sha256OfAbc);
    expect(tagged).toMatchObject({ tags: { stage: "test" }, forms: found.forms });
  });
});

test("what is no model in the folder is not listed", async () => {
  await registry.register("m", { from: onnx });
  writeFileSync(join(registry.directory, "notes.txt"), "");
  mkdirSync(join(registry.directory, "empty"));
  mkdirSync(join(registry.directory, ".downloads"));
  symlinkSync("/nowhere", join(registry.directory, "gone"));

  expect((await registry.models()).map(({ name }) => name)).toEqual(["m"]);
});

describe("names", () => {
  test("an alias moves, and is removed", async () => {
    await registry.register("m", { from: onnx, aliases: ["champion"] });
    await registry.register("m", { from: onnx });

    expect((await registry.setAlias("m", "champion", 2n)).aliases).toEqual({ champion: 2n });
    expect((await registry.removeAlias("m", "champion")).aliases).toEqual({});
    await expect(registry.removeAlias("m", "champion")).rejects.toThrow("no alias");
    await expect(registry.setAlias("m", "champion", 3n)).rejects.toThrow("no version 3");
  });

  test("changes of twenty processes at the same time are all kept", async () => {
    await registry.register("m", { from: onnx });

    await Promise.all(
      Array.from({ length: 20 }, (_, index) => open().setAlias("m", `a${index}`, 1n)),
    );

    const { aliases } = await registry.model("m");
    expect(Object.keys(aliases)).toHaveLength(20);
    const file = JSON.parse(readFileSync(join(registry.directory, "m/model.json"), "utf8"));
    expect(file.aliases).toBeDefined();
  });

  test("tags are added and removed; the others stay", async () => {
    await registry.register("m", { from: onnx, tags: { team: "vision", stage: "test" } });

    const version = await registry.annotateVersion("m@1", {
      description: "new",
      tags: { stage: undefined, owner: "me" },
    });
    const model = await registry.annotateModel("m", { tags: { domain: "birds" } });

    expect(version).toMatchObject({ description: "new", tags: { owner: "me", team: "vision" } });
    expect(model).toMatchObject({ description: "", tags: { domain: "birds" } });
  });

  test("a tag without a key is refused", async () => {
    await registry.register("m", { from: onnx });

    await expect(registry.annotateVersion("m@1", { tags: { "": "x" } })).rejects.toThrow("tag");
  });
});

describe("addFiles", () => {
  test("adds a form", async () => {
    await registry.register("m", { from: savedModel({ "saved_model.pb": "s" }) });

    const version = await registry.addFiles(
      "m",
      filesFrom({ "model.onnx": "abc", "manifest.json": "{}" }),
    );

    expect(Object.keys(version.forms).toSorted()).toEqual(["onnx", "preprocessing", "saved-model"]);
    expect(readFileSync(join(version.folder, "model.onnx"), "utf8")).toBe("abc");
  });

  test("replaces files of the same paths", async () => {
    await registry.register("m", { from: filesFrom({ "model.onnx": "old" }) });

    const version = await registry.addFiles("m", onnx);

    expect(version.forms.onnx?.sha256).toBe(sha256OfAbc);
  });
});

describe("delete", () => {
  test("refuses while an alias, an image or a service names the version, and lists them", async () => {
    await registry.register("m", { from: onnx, aliases: ["champion"] });
    const image = { reference: "r.example/m:1", sha256: sha256OfAbc, byteCount: 1 };
    await registry.recordUse("m@1", { kind: "image", ...image });
    const used = await registry.recordUse("m@1", { kind: "service", name: "shop" });

    await expect(registry.deleteVersion("m@1")).rejects.toThrow(
      "m@1 cannot be deleted, because it is named by alias champion, image r.example/m:1, service shop; move or remove them first",
    );
    expect(used).toMatchObject({ images: [image], services: ["shop"] });

    await registry.removeAlias("m", "champion");
    await registry.forgetUse("m", { kind: "image", reference: "r.example/m:1" });
    await registry.forgetUse("m", { kind: "service", name: "shop" });
    await registry.deleteVersion("m@1");

    expect((await registry.model("m")).versions).toEqual([]);
    await expect(registry.deleteVersion("m@1")).rejects.toThrow("m@1 is deleted already");
  });

  test("a model goes when it has no versions", async () => {
    await registry.register("m", { from: onnx });
    await expect(registry.deleteModel("m")).rejects.toThrow("delete them first: m@1");

    await registry.deleteVersion("m");
    await registry.deleteModel("m");

    expect(await registry.models()).toEqual([]);
  });
});
