import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bundledModelsDirectory } from "@tensorgate/model-server";
import { beforeAll, describe, expect, test } from "vitest";
import { hear } from "../support/command-process.ts";
import { hasPeers, setUpPeer, tensorflowPython } from "../support/peers.ts";
import { shapesModel } from "../support/running-gateway.ts";
import { writeServingModels } from "../support/serving-models.ts";

// Programs for TensorFlow Serving, of which only the address is changed, before `npm start`.

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const script = fileURLToPath(new URL("./serving_examples.py", import.meta.url));
const star = join(root, "examples/pictures/star.jpg");
const setUpMs = 900_000;

test.skipIf(hasPeers)("npm start is skipped: the folder of peers is not here", () => {});

describe.runIf(hasPeers)("before npm start", () => {
  let missing: string | undefined;
  beforeAll(async () => {
    missing = await setUpPeer("tensorflow/setup.sh", ["backend"]);
  }, setUpMs);

  /** Runs the script, and fails with each call that did not pass. */
  async function expectAllPassed(options: readonly string[], args: readonly string[]) {
    const demo = ["--port", "0", "--admin-port", "0", ...options];
    // In its own group, so that it ends with what it has started.
    const child = spawn("npm", ["start", "--silent", "--", ...demo], {
      cwd: root,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    try {
      const [, address = ""] = await hear(child).matching(/ready: http:\/\/(\S+)/);
      const { stdout } = await run(tensorflowPython, [script, address, ...args]);
      const lines = stdout.trim().split("\n");
      expect(lines.filter((line) => !line.startsWith("passed "))).toEqual([]);
      expect(lines.length).toBeGreaterThan(4);
    } finally {
      await endGroup(child);
    }
  }

  test("images, metadata, status and errors", { timeout: setUpMs }, async (context) => {
    if (missing) return context.skip(missing);
    const { labels = [] } = shapesModel();
    const index = labels.indexOf("star");
    await expectAllPassed([], ["images", star, String(index)]);
  });

  test("tensors, metadata, status and errors", { timeout: setUpMs }, async (context) => {
    if (missing) return context.skip(missing);
    const models = mkdtempSync(join(tmpdir(), "tensorgate-npm-start-"));
    try {
      writeServingModels(models);
      cpSync(bundledModelsDirectory, models, { recursive: true });
      await expectAllPassed(["--models", models], ["tensors"]);
    } finally {
      rmSync(models, { recursive: true });
    }
  });
});

async function endGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const exited = once(child, "exit");
  process.kill(-child.pid, "SIGTERM");
  await exited;
}
