import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildVersionImage, deleteImage, openRegistry, type Registry } from "@tensorgate/registry";
import { filesFrom } from "@tensorgate/registry/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type DockerRegistry,
  findProgram,
  startDockerRegistry,
} from "../support/docker-registry.ts";

const run = promisify(execFile);
const [dockerRegistry, skopeo, umoci] = await Promise.all(
  ["docker-registry", "skopeo", "umoci"].map(findProgram),
);
const missing = (program: string | undefined, name: string) =>
  program ? "" : ` (skipped: apt-get install ${name})`;

const weights = "0123456789".repeat(100_000);

const folder = mkdtempSync(join(tmpdir(), "tensorgate-images-"));
const layout = join(folder, "layout");
let registry: Registry;
let server: DockerRegistry | undefined;

beforeAll(async () => {
  registry = openRegistry(join(folder, "registry"));
  const from = filesFrom({ "model.onnx": weights, "manifest.json": "{}" });
  await registry.register("m", { from });
  const options = { name: "m-image:1", output: layout, labels: { team: "vision" } };
  const { error } = await buildVersionImage(registry.directory, "m@1", options);
  expect(error).toBeUndefined();
  if (dockerRegistry) server = await startDockerRegistry(dockerRegistry);
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test.skipIf(!skopeo)(`skopeo inspects the layout${missing(skopeo, "skopeo")}`, async () => {
  const { stdout } = await run(skopeo ?? "", ["inspect", `oci:${layout}:1`]);

  const [image] = (await registry.version("m@1")).images;
  expect(JSON.parse(stdout)).toMatchObject({
    Digest: `sha256:${image?.sha256}`,
    Labels: { team: "vision", "dev.tensorgate.model.version": "1" },
    Os: "linux",
    Layers: [expect.any(String)],
  });
});

test.skipIf(!umoci)(`umoci unpacks the layout${missing(umoci, "umoci")}`, async () => {
  const bundle = join(folder, "bundle");

  await run(umoci ?? "", ["unpack", "--rootless", "--image", `${layout}:1`, bundle]);

  expect(readFileSync(join(bundle, "rootfs/models/m/1/model.onnx"), "utf8")).toBe(weights);
});

describe.skipIf(!dockerRegistry)(
  `docker-registry${missing(dockerRegistry, "docker-registry")}`,
  () => {
    let server: DockerRegistry;
    beforeAll(async () => {
      server = await startDockerRegistry(dockerRegistry ?? "");
    });
    afterAll(() => server[Symbol.asyncDispose]());

    test("an image on a base is pushed with the base's layer mounted, and deleted", async () => {
      const lines: string[] = [];
      const build = async (name: string, base?: string) => {
        const options = { name: `${server?.host}/${name}`, isPushed: true, base };
        const job = await buildVersionImage(registry.directory, "m@1", options);
        expect(job.error).toBeUndefined();
        lines.push(readFileSync(job.log, "utf8"));
        return job;
      };
      await build("base:1");
      // With the same layer twice, which is legal, everything but the configuration is mounted.
      const job = await build("server:1", `${server?.host}/base:1`);
      const again = await build("server:1", `${server?.host}/base:1`);

      expect(lines[0]).toMatch(/100\d{4} bytes sent, 0 were there, 0 mounted/);
      expect(lines[1]).toMatch(/ 0 bytes sent, \d+ were there, 100\d{4} mounted/);
      expect(again.result).toEqual(job.result);
      await deleteImage(registry, `${server?.host}/server:1`);
      const gone = await fetch(`http://${server?.host}/v2/server/manifests/1`);
      expect(gone.status).toBe(404);
    });

    test.skipIf(!skopeo)("skopeo copies what we push", async () => {
      const name = `${server?.host}/copied:1`;
      await buildVersionImage(registry.directory, "m@1", { name, isPushed: true });
      const to = join(folder, "copied");

      await run(skopeo ?? "", [
        ...["copy", "--insecure-policy", "--preserve-digests", "--src-tls-verify=false"],
        ...[`docker://${name}`, `oci:${to}:1`],
      ]);

      const digest = (of: string) =>
        JSON.parse(readFileSync(join(of, "index.json"), "utf8")).manifests[0].digest;
      const image = (await registry.version("m@1")).images.find((each) => each.reference === name);
      expect(digest(to)).toBe(`sha256:${image?.sha256}`);
    });
  },
);
