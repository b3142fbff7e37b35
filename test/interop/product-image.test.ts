import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PredictionClient } from "@tensorgate/client";
import { buildVersionImage, openRegistry } from "@tensorgate/registry";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram } from "../support/docker-registry.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const [umoci, runc, podman] = await Promise.all(["umoci", "runc", "podman"].map(findProgram));
const peersHome = process.env["PEERS_HOME"] ?? join(homedir(), ".cache/tensorgate-peers");
const orasFile = join(peersHome, "kubernetes/bin/oras");
const oras = existsSync(orasFile) ? orasFile : await findProgram("oras");
const isRoot = process.getuid?.() === 0;
const skipped = umoci && runc && isRoot ? "" : " (skipped: apt-get install umoci runc, as root)";

interface Bundle {
  readonly process: {
    args: string[];
    terminal: boolean;
    rlimits?: unknown;
    readonly user: { readonly uid: number };
  };
  readonly linux: { namespaces: { readonly type: string }[]; resources?: unknown };
  readonly root: { readonly: boolean };
}

describe.skipIf(skipped !== "")(`the product's own image, built without a daemon${skipped}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-product-image-"));
  const product = join(folder, "product");
  const bundle = join(folder, "bundle");
  let said: string;

  beforeAll(async () => {
    const script = ["--conditions=@tensorgate/source", "scripts/build-image.ts", product];
    said = (await run(process.execPath, script, { cwd: root })).stdout;
    const registry = openRegistry(join(folder, "registry"));
    await registry.register("shapes", {
      from: join(root, "packages/model-server/models/shapes/1"),
    });
    const output = join(folder, "server");
    const options = { name: "shapes-server:1", base: product, output };
    const { error } = await buildVersionImage(registry.directory, "shapes@1", options);
    expect(error).toBeUndefined();
    await run(umoci ?? "", ["unpack", "--image", `${output}:1`, bundle]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("is smaller than 130 MB", () => {
    expect(Number(/ ([\d.]+) MB \(/.exec(said)?.[1])).toBeLessThan(130);
  });

  /** The document about the image that has this type. */
  function attached(type: string) {
    const json = (digest: string) =>
      JSON.parse(
        readFileSync(join(product, "blobs/sha256", digest.replace("sha256:", "")), "utf8"),
      );
    const index = JSON.parse(readFileSync(join(product, "index.json"), "utf8"));
    const entry = index.manifests.find(
      (each: object) => "artifactType" in each && each.artifactType === type,
    );
    const { subject, layers } = json(entry.digest);
    return { subject, image: index.manifests[0], content: json(layers[0].digest) };
  }

  test("has a bill of materials with every package that is installed in it, Node and libc", () => {
    const { subject, image, content } = attached("application/vnd.cyclonedx+json");
    const installed = JSON.parse(
      readFileSync(join(bundle, "rootfs/app/node_modules/.package-lock.json"), "utf8"),
    ) as { readonly packages: Readonly<Record<string, { readonly version?: string }>> };
    const purls: readonly string[] = content.components.map((each: { purl?: string }) => each.purl);
    const lacking = Object.entries(installed.packages)
      .filter(([path]) => path.includes("node_modules/"))
      .filter(([path]) => existsSync(join(bundle, "rootfs/app", path)))
      .flatMap(([path, { version }]) => {
        const name = path.split("node_modules/").at(-1)?.replace("@", "%40");
        return version === undefined || purls.includes(`pkg:npm/${name}@${version}`) ? [] : [path];
      });

    expect(subject.digest).toBe(image.digest);
    expect(content).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.5" });
    expect(lacking).toEqual([]);
    expect(purls).toContainEqual(expect.stringMatching(/^pkg:npm\/%40tensorgate\/cli@/));
    expect(purls).toContain(`pkg:generic/node@${process.versions.node}`);
    // What packages of another platform or for development are not there is not listed either.
    expect(purls.filter((purl) => /node-linux|darwin|win32|vitest|typescript/.test(purl))).toEqual(
      [],
    );
    const names = content.components.map(({ name }: { name: string }) => name).join(" ");
    expect(names).toContain("libc.so.6");
  });

  test("has a statement of its provenance", async () => {
    const { subject, image, content } = attached("application/vnd.in-toto+json");
    const { stdout } = await run("git", ["rev-parse", "HEAD"], { cwd: root });

    expect(subject.digest).toBe(image.digest);
    expect(content).toMatchObject({
      _type: "https://in-toto.io/Statement/v1",
      subject: [{ digest: { sha256: image.digest.replace("sha256:", "") } }],
      predicateType: "https://slsa.dev/provenance/v1",
      predicate: {
        buildDefinition: {
          resolvedDependencies: [
            { digest: { gitCommit: stdout.trim() } },
            { name: "package-lock.json", digest: { sha256: expect.any(String) } },
            { uri: `pkg:generic/node@${process.versions.node}` },
          ],
        },
      },
    });
  });

  test.skipIf(!oras)(
    `brings both along for oras${oras ? "" : " (skipped without oras)"}`,
    async () => {
      const tag = /^tensorgate:(\S+)/.exec(said)?.[1];
      const args = ["discover", "--oci-layout", `${product}:${tag}`, "--format", "json"];

      const { stdout } = await run(oras ?? "", args);

      const { referrers } = JSON.parse(stdout) as { referrers: { artifactType: string }[] };
      expect(referrers.map(({ artifactType }) => artifactType).toSorted()).toEqual([
        "application/vnd.cyclonedx+json",
        "application/vnd.in-toto+json",
      ]);
    },
  );

  test("runs a model that was put on it, as another user than root, and ends by SIGTERM", async () => {
    const file = join(bundle, "config.json");
    const config = JSON.parse(readFileSync(file, "utf8")) as Bundle;
    // The network of this machine, and no limits, which need more than some machines allow.
    config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "network");
    delete config.linux.resources;
    delete config.process.rlimits;
    config.process.terminal = false;
    config.process.args.push("--port", "0");
    writeFileSync(file, JSON.stringify({ ...config, root: { ...config.root, readonly: true } }));
    const id = `tensorgate-${process.pid}`;
    const args = ["--root", join(folder, "runc"), "run", "--bundle", bundle, id];
    const container = spawn(runc ?? "", args, { stdio: ["ignore", "pipe", "pipe"] });
    const ended = once(container, "exit");

    expect(await labelOfStar(await portOf(container))).toBe("star");
    await run(runc ?? "", ["--root", join(folder, "runc"), "kill", id, "TERM"]);

    expect(config.process.user.uid).toBe(1_000);
    expect(await ended).toEqual([0, null]);
  });

  test.skipIf(!podman)(
    `runs under podman as it is, and ends by SIGTERM${podman ? "" : " (skipped: apt-get install podman)"}`,
    async () => {
      const store = ["--root", join(folder, "podman"), "--runroot", join(folder, "podman-run")];
      const plain = ["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"];
      const all = [...store, ...plain, `--runtime=${runc}`];
      // It names the image after the folder, which must be in lower case.
      const pull = [...all, "pull", "--quiet", "oci:server:1"];
      const { stdout } = await run(podman ?? "", pull, { cwd: folder });
      const name = `tensorgate-${process.pid}`;
      // Not more of anything than this machine may give.
      const limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
      const options = ["--rm", "--network=host", "--read-only", `--name=${name}`, ...limits];
      // The command of the image, which names its models, with another port.
      const { Cmd } = configOf(join(folder, "server")).config;
      const args = [...all, "run", ...options, stdout.trim(), ...Cmd, "--port", "0"];
      const container = spawn(podman ?? "", args, { stdio: ["ignore", "pipe", "pipe"] });
      const ended = once(container, "exit");

      expect(await labelOfStar(await portOf(container))).toBe("star");
      await run(podman ?? "", [...all, "kill", "--signal=TERM", name]);

      expect(await ended).toEqual([0, null]);
    },
  );

  /** The configuration of the image in a layout. */
  function configOf(layout: string): { readonly config: { readonly Cmd: readonly string[] } } {
    const json = (file: string) => JSON.parse(readFileSync(join(layout, file), "utf8"));
    const blob = (digest: string) => json(`blobs/sha256/${digest.replace("sha256:", "")}`);
    return blob(blob(json("index.json").manifests[0].digest).config.digest);
  }

  /** Reads the port that a model server says that it listens on. */
  async function portOf({ stdout, stderr }: ChildProcess): Promise<number> {
    stderr?.resume();
    if (!stdout) return 0;
    for await (const line of createInterface({ input: stdout })) {
      const port = Number(/0\.0\.0\.0:(\d+)/.exec(line)?.[1] ?? 0);
      if (port === 0) continue;
      stdout.resume();
      return port;
    }
    return 0;
  }

  async function labelOfStar(port: number): Promise<string | undefined> {
    const client = new PredictionClient({ address: "127.0.0.1", port, model: "shapes" });
    const star = join(root, "examples/pictures/star.jpg");
    const scores = await client.scoreFile(star, { outputs: "scores" });
    await client.close();
    const values = [...(scores.data as Float32Array)];
    const { labels } = JSON.parse(
      readFileSync(join(bundle, "rootfs/models/shapes/1/manifest.json"), "utf8"),
    ) as { readonly labels: readonly string[] };
    return labels[values.indexOf(Math.max(...values))];
  }
});
