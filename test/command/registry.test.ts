import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFakeRegistry } from "@tensorgate/oci-image/testing";
import { testNode, writeSavedModel } from "@tensorgate/savedmodel/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { tensorgate } from "../support/command-process.ts";
import { runInProcess } from "../support/in-process-command.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tensorgate-registry-command-"));
  process.env["TENSORGATE_REGISTRY"] = join(folder, "registry");
});
afterEach(() => {
  delete process.env["TENSORGATE_REGISTRY"];
  rmSync(folder, { recursive: true });
});

const onnxFile = () => {
  const file = join(folder, "any.onnx");
  writeFileSync(file, "abc");
  return file;
};

const registry = (...args: readonly string[]) => runInProcess(["registry", ...args]);

/** Runs a command that must succeed, and returns its lines. */
async function printed(...args: readonly string[]): Promise<readonly string[]> {
  const { code, stdout, stderr } = await registry(...args);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout.trimEnd().split("\n");
}

test("a model is registered, named, tagged, shown and deleted", async () => {
  const from = onnxFile();

  expect(await printed("register", "m", "--from", from, "--tag", "team=vision")).toEqual([
    "registered m@1: ONNX, 3 B",
  ]);
  expect(await printed("register", "m", "--from", from, "--alias", "new")).toEqual([
    "registered m@2: ONNX, 3 B",
  ]);
  expect(await printed("alias", "m", "champion", "1")).toEqual(["m@champion names version 1"]);
  expect(await printed("tag", "m@1", "stage=test", "a=b=c", "--remove", "team")).toEqual([
    "m@1: a=b=c stage=test",
  ]);
  expect(await printed("tag", "m", "--description", "of birds")).toEqual(["m: no tags"]);
  expect(await printed("list")).toEqual([
    "model  versions  latest  aliases           description",
    "m      2         2       new=2 champion=1  of birds",
  ]);
  expect((await printed("show", "m@champion")).join("\n")).toMatch(
    /^m@1\n {2}tags +a=b=c stage=test\n {2}aliases +champion\n[\s\S]*ONNX {2}3 B {2}sha256:ba7816bf/,
  );
  expect(await printed("alias", "m", "champion", "--remove")).toEqual(["m@champion is removed"]);
  expect(await printed("delete", "m@1")).toEqual(["deleted m@1"]);
  expect((await printed("show", "m"))[2]).toMatch(/versions +2$/);
});

test("--json writes an object a line, with versions as strings", async () => {
  const nodes = [testNode("NoOp", "nothing")];
  await registry("register", "m", "--from", writeSavedModel(join(folder, "from"), { nodes }));

  const [model] = (await printed("list", "--json")).map((line) => JSON.parse(line));
  const [version] = (await printed("show", "models:/m/1", "--json")).map((l) => JSON.parse(l));

  expect(model).toMatchObject({ name: "m", versions: ["1"], aliases: {} });
  expect(version).toMatchObject({
    version: "1",
    forms: { "saved-model": { files: [{ path: "saved_model.pb" }] } },
  });
});

test("a version is pushed to a container registry and pulled from it", async () => {
  await using fake = await startFakeRegistry();
  await registry("register", "m", "--from", onnxFile());
  const target = `oci://${fake.host}/models/m:1`;

  expect((await printed("push", "m@1", target))[0]).toBe(`pushed m@1 to ${target}: 3 B sent`);
  expect((await printed("push", "m@1", target))[0]).toMatch(/: 0 B sent, 3 B were there$/);
  expect(await printed("pull", target)).toEqual(["m@1 is here already, with the same files"]);
  expect(await printed("pull", target, "--name", "copy")).toEqual(["pulled copy@1"]);
  expect((await printed("show", "copy", "--json"))[0]).toContain(`"source":"oci://${fake.host}/`);
});

test("a SavedModel that cannot be read is not registered", async () => {
  const from = mkdtempSync(join(folder, "from-"));
  writeFileSync(join(from, "saved_model.pb"), "abc");

  const { code, stderr } = await registry("register", "m", "--from", from);

  expect(code).toBe(1);
  expect(stderr).toContain("saved_model.pb");
  expect((await registry("list", "--json")).stdout).toBe("");
});

test("an empty registry says how to begin", async () => {
  expect((await printed())[0]).toMatch(/^no models in .*registry register NAME --from FOLDER$/);
});

test.each([
  { args: ["show", "mm"], code: 1, says: 'no model "mm" in' },
  { args: ["show", "m@3"], code: 1, says: "m has no version 3; versions: 1" },
  { args: ["show", "a/b"], code: 1, says: 'invalid model name "a/b"' },
  { args: ["register", "m", "--from", "/absent"], code: 1, says: "/absent not found" },
  { args: ["register", "m"], code: 2, says: "required option '--from <path>' not specified" },
  { args: ["delete", "m@1"], code: 1, says: "because it is named by alias champion" },
  { args: ["delete", "m"], code: 1, says: "delete them first: m@1" },
  { args: ["alias", "m", "champion"], code: 2, says: "give a version such as 1, or --remove" },
  { args: ["alias", "m", "v2", "1"], code: 1, says: "looks like a version" },
  { args: ["tag", "m@1", "stage"], code: 2, says: "Expected KEY=VALUE such as stage=test" },
  { args: ["tag", "m@1"], code: 2, says: "give tags, --remove or --description" },
  {
    args: ["push", "m", "r.example/m"],
    code: 1,
    says: "names no store; expected oci:// or azblob://",
  },
  {
    args: ["push", "m", "s3://b/m"],
    code: 1,
    says: "names no store; expected oci:// or azblob://",
  },
  { args: ["push", "m", "oci://127.0.0.1/M"], code: 1, says: "the repository in lower case" },
  {
    args: ["push", "m", "azblob://mymodels/models/m/1"],
    code: 1,
    says: "set AZURE_STORAGE_CONNECTION",
  },
  { args: ["pull", "oci://r.example"], code: 1, says: "expected oci://host/repository:tag" },
  { args: ["pull", "oci://r.example/m", "--name", "/"], code: 1, says: "invalid model name" },
  { args: ["show", "m", "--registry"], code: 2, says: "argument missing" },
])("registry $args ends with $code: $says", async ({ args, code, says }) => {
  await registry("register", "m", "--from", onnxFile(), "--alias", "champion");

  const ended = await registry(...args);

  expect(ended).toMatchObject({ code, stdout: "" });
  expect(ended.stderr).toContain(says);
});

test.each(["register", "list", "show", "alias", "tag", "delete", "push", "pull"])(
  "registry %s --help has an example",
  async (command) => {
    const { code, stdout } = await registry(command, "--help");

    expect(code).toBe(0);
    expect(stdout).toMatch(/Examples?:\n {2}tensorgate registry/);
  },
);

// In its own process: between two attempts nothing else keeps one alive.
test("a container registry that is away is tried again, and then reported", async () => {
  const { child, said } = tensorgate(["registry", "pull", "oci://127.0.0.1:1/m:1"]);

  const [code] = await once(child, "exit");

  expect([code, said.text()]).toEqual([1, expect.stringMatching(/127\.0\.0\.1:1.*5 attempts/)]);
}, 60_000);
