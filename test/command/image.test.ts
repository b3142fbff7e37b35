import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFakeRegistry } from "@tensorgate/oci-image/testing";
import { openRegistry } from "@tensorgate/registry";
import { filesFrom } from "@tensorgate/registry/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runInProcess } from "../support/in-process-command.ts";

let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tensorgate-image-command-"));
  process.env["TENSORGATE_REGISTRY"] = join(folder, "registry");
  const registry = openRegistry(join(folder, "registry"));
  const from = filesFrom({ "model.onnx": "onnx", "saved_model.pb": "tf", "manifest.json": "{}" });
  await registry.register("m", { from, description: "of birds" });
});
afterEach(() => {
  delete process.env["TENSORGATE_REGISTRY"];
  rmSync(folder, { recursive: true });
});

const image = (...args: readonly string[]) => runInProcess(["image", ...args]);

async function printed(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await image(...args);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

const build = (name: string, ...args: readonly string[]) =>
  image("build", "m@1", "--name", name, "--model-only", ...args);

test("an image is built, pushed, listed with its log, and deleted everywhere", async () => {
  await using fake = await startFakeRegistry();
  const name = `${fake.host}/m-image:1`;
  const output = join(folder, "image");
  const options = ["--push", "-o", output, "--label", "team=vision"];

  const built = await build(name, ...options);

  expect(built).toMatchObject({ code: 0, stderr: "" });
  expect(built.stdout).toMatch(
    /^built .*m-image:1 of m@1: \d+ kB, sha256:[0-9a-f]{64}\n {2}pushed/,
  );
  expect(await printed("list", "--label", "team=vision")).toMatch(
    /\n\S*m-image:1 +succeeded +m@1 +sha256:[0-9a-f]{12}… +\d+ kB +team=vision +\S*image\.log\n/,
  );
  expect(await printed("list", "--label", "team=other")).toMatch(/^no images; build one/);
  const log = readFileSync(join(folder, "registry", "m", "1", "image.log"), "utf8");
  expect(log).toMatch(
    /writing a layer with 2 files of m@1\n[\s\S]*pushing to[\s\S]*bytes sent[\s\S]*\ndone\n$/,
  );
  const [json] = (await printed("list", "--json")).split("\n");
  const { sha256 } = JSON.parse(json ?? "");
  expect(fake.manifests.has(`sha256:${sha256}`)).toBe(true);
  expect(readdirSync(output).toSorted()).toEqual(["blobs", "index.json", "oci-layout"]);
  expect((await runInProcess(["registry", "delete", "m@1"])).stderr).toContain(`image ${name}`);

  expect(await printed("delete", name)).toBe(`deleted ${name} of m@1\n`);

  expect(fake.manifests.size).toBe(0);
  expect(existsSync(output)).toBe(false);
  expect(await printed("list")).toMatch(/^no images/);
  expect((await runInProcess(["registry", "delete", "m@1"])).code).toBe(0);
});

test("two builds give one digest", async () => {
  const digests = [];
  for (const each of ["one", "two"]) {
    const { stdout } = await build("m-image:1", "-o", join(folder, each));
    digests.push(/sha256:[0-9a-f]{64}/.exec(stdout)?.[0]);
  }

  expect(digests[0]).toBeDefined();
  expect(digests[1]).toBe(digests[0]);
});

test("an image is put on a base, which is brought into the layout", async () => {
  const base = join(folder, "base");
  await build("base:1", "-o", base);
  const output = join(folder, "server");

  const built = await image("build", "m@1", "--name", "server:1", "--base", base, "-o", output);

  expect(built).toMatchObject({ code: 0, stderr: "" });
  const index = JSON.parse(readFileSync(join(output, "index.json"), "utf8"));
  const blob = (digest: string) =>
    JSON.parse(readFileSync(join(output, "blobs", ...digest.split(":")), "utf8"));
  const manifest = blob(index.manifests[0].digest);
  expect(manifest.layers).toHaveLength(2);
  expect(blob(manifest.config.digest).config.Cmd).toEqual([
    ...["model-server", "--models", "/models", "--host", "0.0.0.0"],
  ]);
});

test("what does not fit is refused with what to do", async () => {
  const none = await build("m-image:1");
  const nowhere = await build("m-image:1", "--push");
  const both = await build("m-image:1", "--base", "./x", "-o", join(folder, "x"));
  const unclear = await image("build", "m@1", "--name", "a:1", "-o", join(folder, "x"));
  const upper = await build("M:1", "-o", join(folder, "x"));
  const unknown = await image("delete", "x:1");

  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("--push to push") });
  expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining("names no registry") });
  expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining("--model-only") });
  expect(unclear).toMatchObject({ code: 2, stderr: expect.stringContaining("--base") });
  expect(upper).toMatchObject({ code: 1, stderr: expect.stringContaining("lower case") });
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("images: none") });
});

test("a build that fails is a job with its reason, and no image", async () => {
  writeFileSync(join(folder, "registry", "m", "1", "model.onnx"), "longer than registered");

  const failed = await build("m-image:1", "-o", join(folder, "image"));

  expect(failed.code).toBe(1);
  expect(failed.stderr).toMatch(/job \w+ \(image m@1\) failed: .* has 22 bytes, not 4/);
  expect(await printed("list")).toMatch(/\n +failed +m@1 .*image\.log\n/);
});

test("an image whose version a service runs is not deleted", async () => {
  await build("m-image:1", "-o", join(folder, "image"));
  const registry = openRegistry(join(folder, "registry"));
  await registry.recordUse("m@1", { kind: "service", name: "shop" });

  const { code, stderr } = await image("delete", "m-image:1");

  expect([code, stderr]).toEqual([1, expect.stringContaining("because shop runs m@1")]);
  expect(existsSync(join(folder, "image"))).toBe(true);
});
