import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { openRegistry, pullVersion, pushVersion, type Registry } from "@tensorgate/registry";
import { filesFrom } from "@tensorgate/registry/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);

/** Finds a program, in `PATH` or where `go install` puts it. */
async function found(name: string): Promise<string | undefined> {
  const go = join(process.env["GOBIN"] ?? join(process.env["HOME"] ?? "", "go/bin"), name);
  if (existsSync(go)) return go;
  return run("which", [name]).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  );
}

const dockerRegistry = await found("docker-registry");
const oras = await found("oras");

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
    let stop: () => Promise<unknown>;

    beforeAll(async () => {
      const port = await freePort();
      host = `127.0.0.1:${port}`;
      const config = {
        version: 0.1,
        storage: { filesystem: { rootdirectory: join(folder, "blobs") } },
        http: { addr: host },
      };
      writeFileSync(join(folder, "config.yml"), JSON.stringify(config));
      const child = spawn(dockerRegistry ?? "", ["serve", join(folder, "config.yml")], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      stop = async () => {
        child.kill();
        await once(child, "exit");
      };
      for await (const line of createInterface({ input: child.stderr })) {
        if (line.includes("listening on")) break;
      }
      child.stderr.resume();
      registry = openRegistry(join(folder, "one"));
      other = openRegistry(join(folder, "two"));
      await registry.register("m", { from: filesFrom(files), tags: { a: "b" } });
    });
    afterAll(async () => {
      await stop();
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

/** A port that was free a moment ago: the registry does not say which one it took. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address ? address.port : 0;
}
