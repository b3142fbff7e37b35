import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock } from "@tensorgate/core/testing";
import { openRegistry, type Registry } from "@tensorgate/registry";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startModelServer } from "../model-server.ts";
import type { ModelServerOptions } from "../model-server-options.ts";
import { addHalfPlusTwo } from "../testing.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-registry-source-"));
let registry: Registry;
let onnx: Uint8Array;
beforeAll(() => {
  addHalfPlusTwo(folder, "half");
  onnx = readFileSync(join(folder, "half/1/model.onnx"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const register = (name: string, aliases: readonly string[] = []) =>
  registry.register(name, {
    from: [{ path: "model.onnx", content: { kind: "bytes", bytes: onnx } }],
    aliases,
  });

/** Starts a server that looks at its folders every second, by a clock that the test moves. */
async function started(models: ModelServerOptions["models"]) {
  const clock = manualClock();
  const loads: (() => void)[] = [];
  const server = await startModelServer(
    { port: 0, restPort: 0, models, folderPollMs: 1_000, onLoaded: () => loads.pop()?.() },
    clock,
  );
  return {
    server,
    scan: () => clock.advance(1_000),
    /** The version that a label names, by its metadata; the error if there is none. */
    labelled: async (model: string, label: string) => {
      const url = `http://127.0.0.1:${server.restPort}/v1/models/${model}/labels/${label}/metadata`;
      const { model_spec: spec, error } = await (await fetch(url)).json();
      return spec?.version ?? error;
    },
    /** Looks at the folders, and waits until something was loaded. */
    loaded: () =>
      new Promise<void>((resolve) => {
        loads.push(resolve);
        clock.advance(1_000);
      }),
    [Symbol.asyncDispose]: () => server.close(0),
  };
}

test("an alias is served, and followed when it moves", async () => {
  registry = openRegistry(join(folder, "aliases"));
  await register("m", ["champion"]);
  await register("m");
  await using running = await started({ registry: registry.directory, serve: ["m@champion"] });
  expect(running.server.models).toEqual([{ name: "m", version: 1n }]);

  await registry.setAlias("m", "champion", 2n);
  await running.loaded();

  expect(running.server.models).toContainEqual({ name: "m", version: 2n });
});

test("aliases are labels of the versions that are served, and move with them", async () => {
  registry = openRegistry(join(folder, "labels"));
  for (const name of ["m", "m", "m"]) await register(name);
  await registry.setAlias("m", "champion", 1n);
  await registry.setAlias("m", "unserved", 3n);
  const serve = ["m@champion", "m@2"];
  await using running = await started({ registry: registry.directory, serve });
  expect(await running.labelled("m", "champion")).toBe("1");
  expect(await running.labelled("m", "unserved")).toContain("Unrecognized servable version label");

  // Version 2 is served already: nothing is loaded, and the label moves all the same.
  await registry.setAlias("m", "champion", 2n);
  running.scan();
  await expect.poll(() => running.labelled("m", "champion")).toBe("2");

  await registry.setAlias("m", "champion", 3n);
  await running.loaded();
  expect(await running.labelled("m", "champion")).toBe("3");
  expect(await running.labelled("m", "unserved")).toBe("3");

  await registry.removeAlias("m", "unserved");
  running.scan();
  await expect
    .poll(() => running.labelled("m", "unserved"))
    .toContain("Unrecognized servable version label");
});

test("aliases are labels in a folder of models, too", async () => {
  registry = openRegistry(join(folder, "folder-labels"));
  await register("m");
  await register("m", ["champion"]);
  await using running = await started({ directory: registry.directory });
  await register("n", ["first"]);
  await running.loaded();

  expect(await running.labelled("m", "champion")).toBe("2");
  expect(await running.labelled("n", "first")).toBe("1");
});

test("a registry serves the latest versions and those that aliases name, and follows both", async () => {
  registry = openRegistry(join(folder, "named"));
  for (const name of ["m", "m", "m"]) await register(name);
  await registry.setAlias("m", "champion", 1n);
  const served = ({ server }: { readonly server: { readonly models: readonly object[] } }) =>
    server.models.map((each) => `${(each as { version: bigint }).version}`).toSorted();
  await using running = await started({ directory: registry.directory, mayBeEmpty: true });
  expect(served(running)).toEqual(["1", "3"]);
  expect(await running.labelled("m", "champion")).toBe("1");

  await registry.setAlias("m", "champion", 2n);
  await running.loaded();
  expect(await running.labelled("m", "champion")).toBe("2");
  await expect.poll(() => served(running)).toEqual(["2", "3"]);

  await register("n", ["first"]);
  await running.loaded();
  await register("n");
  await running.loaded();
  expect(await running.labelled("n", "first")).toBe("1");
  expect(await running.labelled("n", "second")).toContain("Unrecognized servable version label");
});

test("several versions of a model are served, and the latest of another", async () => {
  registry = openRegistry(join(folder, "several"));
  for (const name of ["m", "m", "m", "n", "n"]) await register(name);
  const serve = ["m@1", "m@3", "n"];

  await using running = await started({ registry: registry.directory, serve });

  expect(running.server.models.map(({ name, version }) => `${name}@${version}`).toSorted()).toEqual(
    ["m@1", "m@3", "n@2"],
  );
});

test("a model that is registered while the server runs is served", async () => {
  registry = openRegistry(join(folder, "later"));
  await register("first");
  await using running = await started({ directory: registry.directory });

  await register("second");
  await running.loaded();

  expect(running.server.models).toContainEqual({ name: "second", version: 1n });
});

test("what the registry does not have is reported with what it has", async () => {
  registry = openRegistry(join(folder, "absent"));
  await register("m", ["champion"]);
  const options = { port: 0, models: { registry: registry.directory, serve: ["m@best"] } };

  await expect(startModelServer(options)).rejects.toThrow(
    'm has no alias "best"; aliases: champion',
  );
});

test("a registry that is still to come is served when it is there", async () => {
  const directory = join(folder, "to-come");
  await using running = await started([{ directory, mayBeEmpty: true }]);
  expect(running.server.models).toEqual([]);

  registry = openRegistry(directory);
  await register("first");
  await running.loaded();

  expect(running.server.models).toEqual([{ name: "first", version: 1n }]);
});
