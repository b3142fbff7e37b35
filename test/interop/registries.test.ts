import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { openRegistry, pullVersion, pushVersion, type Registry } from "@tensorgate/registry";
import { filesFrom } from "@tensorgate/registry/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type DockerRegistry,
  findProgram,
  startDockerRegistry,
} from "../support/docker-registry.ts";

const run = promisify(execFile);
const dockerRegistry = await findProgram("docker-registry");
const oras = await findProgram("oras");

const files = {
  "model.onnx": "0123456789".repeat(100_000),
  "parts/empty.bin": "",
  "manifest.json": "{}",
};

/** Debian's docker-registry, the reference implementation of the distribution API. */
describe.skipIf(!dockerRegistry)(
  `docker-registry${dockerRegistry ? "" : " (skipped: apt-get install docker-registry)"}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), "tensorgate-registries-"));
    let host: string;
    let registry: Registry;
    let other: Registry;
    let server: DockerRegistry;

    beforeAll(async () => {
      server = await startDockerRegistry(dockerRegistry ?? "");
      host = server.host;
      registry = openRegistry(join(folder, "one"));
      other = openRegistry(join(folder, "two"));
      await registry.register("m", { from: filesFrom(files), tags: { a: "b" } });
    });
    afterAll(async () => {
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    });

    const target = () => `oci://${host}/models/m:1`;
    const push = () =>
      pushVersion(
        registry,
        { reference: "m@1", target: target() },
        { options: { oci: { chunkBytes: 300_000 } } },
      );

    test("a version is pushed in pieces, and pulled as it was", async () => {
      const pushed = await push();
      const again = await push();
      const { version } = await pullVersion(other, target());

      expect(again).toMatchObject({ digest: pushed.digest, sentBytes: 0 });
      expect(version).toMatchObject({ version: 1n, tags: { a: "b" } });
      expect(version.forms).toEqual((await registry.version("m")).forms);
    });

    test("a push that broke off is continued by the next one", async () => {
      const at = { reference: "m@1", target: `oci://${host}/models/resumed:1` };
      const abort = new AbortController();
      const onFirst = ({ doneBytes }: { readonly doneBytes: number }) => {
        if (doneBytes >= 300_000) abort.abort(new Error("the line is cut"));
      };
      const first = { oci: { chunkBytes: 300_000 }, onProgress: onFirst, signal: abort.signal };
      await expect(pushVersion(registry, at, { options: first })).rejects.toThrow();
      const done: number[] = [];
      const onProgress = (progress: { readonly doneBytes: number }) =>
        void done.push(progress.doneBytes);

      await pushVersion(registry, at, { options: { oci: { chunkBytes: 700_000 }, onProgress } });
      const { version } = await pullVersion(other, at.target, { options: { name: "resumed" } });

      // Begun again it would be at 700,002 first.
      expect(done.filter((bytes) => bytes > 2).slice(0, 2)).toEqual([300_002, 1_000_002]);
      expect(version.forms).toEqual((await registry.version("m")).forms);
    });

    test.skipIf(!oras)("oras pulls what we push", async () => {
      await push();
      const output = join(folder, "pulled");

      await run(oras ?? "", ["pull", "--plain-http", "-o", output, `${host}/models/m:1`]);

      for (const [path, text] of Object.entries(files)) {
        expect(readFileSync(join(output, path), "utf8")).toBe(text);
      }
    });

    test.skipIf(!oras)("we pull what oras pushes", async () => {
      const from = join(folder, "pushed");
      await run("mkdir", [from]);
      writeFileSync(join(from, "model.onnx"), "onnx");
      const args = [
        "push",
        "--plain-http",
        `${host}/models/n:2`,
        "model.onnx:application/octet-stream",
      ];
      await run(oras ?? "", args, { cwd: from });

      const { version } = await pullVersion(other, `oci://${host}/models/n:2`);

      expect(version).toMatchObject({ name: "n", version: 1n });
      expect(readFileSync(join(version.folder, "model.onnx"), "utf8")).toBe("onnx");
    });
  },
);
