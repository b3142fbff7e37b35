import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { snippet } from "../../packages/console/page/call/snippets.ts";
import { hasPython, pythonWith, works } from "../support/python.ts";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

let running: RunningGateway;
beforeAll(async () => {
  running = await startBundledGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

async function ran(command: string, args: readonly string[], more: Record<string, string> = {}) {
  const env = { ...process.env, TENSORGATE_URL: running.url, ...more };
  return promisify(execFile)(command, args, { cwd: root, env });
}

const refusal = (run: Promise<unknown>) =>
  run.then(
    () => ({ code: 0, stderr: "" }),
    (thrown: { code: number; stderr: string }) => thrown,
  );

describe.runIf(hasPython)("Python", () => {
  let python: string | undefined;
  beforeAll(() => {
    python = pythonWith(["requests", "grpcio", "grpcio-tools"]);
  });

  test("requests gets labels, and errors that say what is wrong", async (context) => {
    if (!python) return context.skip("the packages of Python are out of reach");
    const script = "examples/python/score_requests.py";

    const { stdout } = await ran(python, [script, "examples/pictures/star.jpg"]);
    const failed = await refusal(ran(python, [script, "README.md"]));

    expect(stdout.split("\n")[0]).toBe("star 0.969");
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining("unsupported-media") });
  });

  test("grpcio gets boxes, and errors that say what is wrong", async (context) => {
    if (!python) return context.skip("the packages of Python are out of reach");
    const script = "examples/python/score_grpc.py";

    const { stdout } = await ran(python, [script, "examples/pictures/scene-2.jpg"]);
    const failed = await refusal(ran(python, [script, "examples/pictures/star.jpg", "nothing"]));

    expect(stdout).toMatch(/^heart 0\.\d+ at \d+,\d+ \d+x\d+$/m);
    expect(stdout).toMatch(/^cross /m);
    expect(failed).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("NOT_FOUND: unknown model"),
    });
  });

  test("what the page prints for Python works as it is printed", async (context) => {
    if (!python) return context.skip("the packages of Python are out of reach");
    const text = snippet("Python", {
      origin: running.url,
      task: "classify",
      model: "shapes",
      needsKey: false,
      file: "examples/pictures/moon.jpg",
      contentType: "image/jpeg",
    });

    const { stdout } = await ran(python, ["-c", text]);

    expect(stdout).toContain("'label': 'moon'");
  });
});

describe.runIf(works("go", ["version"]))("Go", () => {
  const cache = mkdtempSync(join(tmpdir(), "tensorgate-go-"));
  afterAll(() => rmSync(cache, { recursive: true }));

  test("gets labels, and errors that say what is wrong", async () => {
    const binary = join(cache, "score");
    await ran("go", ["build", "-o", binary, "examples/go/main.go"], { GO111MODULE: "off" });

    const { stdout } = await ran(binary, ["examples/pictures/star.jpg"]);
    const failed = await refusal(ran(binary, ["README.md"]));

    expect(stdout.split("\n")[0]).toBe("star 0.969");
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining("unsupported-media") });
  });
});
