import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
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
const [umoci, runc] = await Promise.all(["umoci", "runc"].map(findProgram));
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
    container.stderr.resume();
    let port = 0;
    for await (const line of createInterface({ input: container.stdout })) {
      port = Number(/0\.0\.0\.0:(\d+)/.exec(line)?.[1] ?? 0);
      if (port > 0) break;
    }
    container.stdout.resume();

    const client = new PredictionClient({ address: "127.0.0.1", port, model: "shapes" });
    const scores = await client.scoreFile(join(root, "examples/pictures/star.jpg"), {
      outputs: "scores",
    });
    await client.close();
    await run(runc ?? "", ["--root", join(folder, "runc"), "kill", id, "TERM"]);

    expect(config.process.user.uid).toBe(1_000);
    const values = [...(scores.data as Float32Array)];
    const { labels } = JSON.parse(
      readFileSync(join(bundle, "rootfs/models/shapes/1/manifest.json"), "utf8"),
    ) as { readonly labels: readonly string[] };
    expect(labels[values.indexOf(Math.max(...values))]).toBe("star");
    expect(await ended).toEqual([0, null]);
  });
});
