import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openRegistry, type Registry } from "@tensorgate/registry";
import {
  changesUntil,
  filesFrom,
  quickChanges,
  temporaryFolder,
} from "@tensorgate/registry/testing";
import { describe, expect, test } from "vitest";

const saved = filesFrom({ "saved_model.pb": "graph", "variables/variables.index": "v" });
const converted = filesFrom({ "model.onnx": "converted", "manifest.json": "{}" });

/** Work during which a process may end, on a model with version 1, and what holds once it is done again. */
const works: readonly {
  readonly name: string;
  readonly run: (registry: Registry) => Promise<unknown>;
  readonly isDone: (registry: Registry) => Promise<boolean>;
}[] = [
  {
    name: "register",
    run: (registry) => registry.register("m", { from: converted, aliases: ["new"] }),
    isDone: async (registry) => (await registry.version("m@new")).forms.onnx !== undefined,
  },
  {
    name: "register the first version",
    run: (registry) => registry.register("other", { from: converted }),
    isDone: async (registry) => (await registry.version("other")).version > 0n,
  },
  {
    name: "set an alias",
    run: (registry) => registry.setAlias("m", "champion", 1n),
    isDone: async (registry) => (await registry.model("m")).aliases["champion"] === 1n,
  },
  {
    name: "tag",
    run: (registry) => registry.annotateVersion("m@1", { tags: { a: "b" } }),
    isDone: async (registry) => (await registry.version("m@1")).tags["a"] === "b",
  },
  {
    name: "add files",
    run: (registry) => registry.addFiles("m@1", converted),
    isDone: async (registry) => (await registry.version("m@1")).forms.onnx !== undefined,
  },
  {
    name: "delete",
    run: (registry) =>
      registry.deleteVersion("m@1").catch((thrown: Error) => {
        // Only the removal of the unfinished folder was left.
        if (!thrown.message.includes("deleted already")) throw thrown;
      }),
    isDone: async (registry) => !(await registry.model("m")).versions.includes(1n),
  },
];

describe.each(works)("a process that ends at any step of: $name", ({ run, isDone }) => {
  test("leaves a registry in which everything is whole, and the work can be done again", async () => {
    for (let step = 0; ; step += 1) {
      using folder = temporaryFolder();
      await openRegistry(folder.path, { changes: quickChanges }).register("m", { from: saved });
      const changes = changesUntil(step);
      await run(openRegistry(folder.path, { changes })).catch(() => {});
      const next = openRegistry(folder.path, { changes: quickChanges });

      await expectWhole(next);
      if (!(await isDone(next).catch(() => false))) await run(next);
      expect(await isDone(next)).toBe(true);
      await expectWhole(next);

      if (!changes.isEnded()) return;
    }
  });
});

/** Every listed version has all files that it lists, and servers see no folder that the registry does not list. */
async function expectWhole(registry: Registry): Promise<void> {
  for (const { name, versions } of await registry.models()) {
    for (const number of versions) {
      const version = await registry.version({ name, at: { kind: "version", version: number } });
      const files = Object.values(version.forms).flatMap((form) => form.files);
      expect(files.length).toBeGreaterThan(0);
      for (const { path, sha256 } of files) {
        const content = readFileSync(join(version.folder, path));
        expect(createHash("sha256").update(content).digest("hex")).toBe(sha256);
      }
    }
    const seen = readdirSync(join(registry.directory, name)).filter((each) => /^\d+$/.test(each));
    for (const folder of seen) {
      const content = readdirSync(join(registry.directory, name, folder));
      expect(content).toContain("registration.json");
    }
  }
}
