import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TensorInfo } from "@tensorgate/core";
import { testConstant, testNode, writeSavedModel } from "@tensorgate/savedmodel/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type EndedCommand, runInProcess } from "../support/in-process-command.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tensorgate-convert-command-"));
  process.env["TENSORGATE_REGISTRY"] = join(folder, "registry");
});
afterEach(() => {
  delete process.env["TENSORGATE_REGISTRY"];
  rmSync(folder, { recursive: true });
});

const tensor = (graphName: string): TensorInfo => ({ dtype: "FP32", shape: [-1], graphName });
const float = { T: { type: "FP32" } } as const;

/** Half plus two, with an operator that has no conversion beside it. */
function halfPlusTwo(): string {
  return writeSavedModel(join(folder, "from"), {
    nodes: [
      testNode("Placeholder", "x", [], { dtype: { type: "FP32" }, shape: { shape: [-1] } }),
      testConstant("half", 0.5),
      testConstant("two", 2),
      testNode("Mul", "halved", ["x", "half"], float),
      testNode("AddV2", "y", ["halved", "two"], float),
      testNode("NoSuchOp", "odd", ["x"], float),
    ],
    signatures: {
      serving_default: {
        inputs: new Map([["x", tensor("x:0")]]),
        outputs: new Map([["y", tensor("y:0")]]),
      },
    },
  });
}

const registry = (...args: readonly string[]) => runInProcess(["registry", ...args]);
const job = (...args: readonly string[]) => runInProcess(["job", ...args]);

function ok({ code, stdout, stderr }: EndedCommand): string {
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

test("a SavedModel becomes ONNX with a manifest and a log, and the same bytes again", async () => {
  expect(ok(await registry("register", "half", "--from", halfPlusTwo()))).toMatch(
    /^registered half@1: SavedModel.*, signature serving_default x → y\n$/,
  );

  const text = ok(await registry("convert", "half@1"));
  const onnx = () => readFileSync(join(folder, "registry/half/1/model.onnx"));
  const first = onnx();
  ok(await registry("convert", "half", "--inputs", "x:0", "--outputs", "y:0"));

  expect(text).toMatch(/x FP32 \[\?\] → y FP32 \[\?\]/);
  expect(text).toMatch(
    /\d+ nodes, 2 parameters, checked by ONNX Runtime; job [0-9a-f]{8} done in \d+\.\d s, log .*conversion\.log/,
  );
  expect(createHash("sha256").update(onnx()).digest()).toEqual(
    createHash("sha256").update(first).digest(),
  );
  const shown = JSON.parse(ok(await registry("show", "half", "--json")));
  expect(Object.keys(shown.forms).toSorted()).toEqual(["onnx", "preprocessing", "saved-model"]);
  const [{ id }] = ok(await job("list", "--json"))
    .split("\n")
    .map((line) => line && JSON.parse(line));
  expect(ok(await job("show", id))).toContain(`job ${id} (convert half@1) done in`);
  expect(ok(await job("log", id))).toMatch(/^converting\n[\s\S]*run by ONNX Runtime\ndone\n$/);
  expect((await job("wait", id)).code).toBe(0);
});

test("what cannot be converted is listed with exit code 1, and the version stays as it was", async () => {
  await registry("register", "half", "--from", halfPlusTwo());

  const { code, stderr } = await registry("convert", "half", "--outputs", "odd:0");

  expect(code).toBe(1);
  expect(stderr).toMatch(/^tensorgate: job [0-9a-f]{8} \(convert half@1\) failed: .*/);
  expect(stderr).toContain("NoSuchOp");
  expect((await registry("show", "half", "--json")).stdout).not.toContain('"onnx"');
});

test.each([
  { args: ["--outputs", "z:0"], says: /z/ },
  { args: ["--signature", "absent"], says: /absent/ },
  { args: ["--max-nodes", "1"], says: /1/ },
  { args: ["--timeout", "1"], says: /it took longer than 0.001 s \(--timeout\)/ },
])("a conversion with $args fails and says why", async ({ args, says }) => {
  await registry("register", "half", "--from", halfPlusTwo());

  const { code, stderr } = await registry("convert", "half", ...args);

  expect(code).toBe(1);
  expect(stderr).toMatch(says);
});

test("a job without --wait goes on by itself", async () => {
  await registry("register", "half", "--from", halfPlusTwo());
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const command = ["--conditions=@tensorgate/source", "packages/cli/src/main.ts"];

  const stdout = await new Promise<string>((resolve) =>
    execFile(
      process.execPath,
      [...command, "registry", "convert", "half", "--no-wait", "--json"],
      { cwd: root, env: process.env },
      (_, output) => resolve(output),
    ),
  );

  const { id, state } = JSON.parse(stdout);
  expect(state).toBe("running");
  expect(ok(await job("wait", id))).toContain("done in");
});

test("an unknown model is reported before a job begins", async () => {
  const { code, stderr } = await registry("convert", "absent");

  expect([code, stderr]).toEqual([1, expect.stringContaining('no model "absent"')]);
});
