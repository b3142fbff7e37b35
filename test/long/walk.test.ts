import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const script = fileURLToPath(new URL("../../bench/walk/run.ts", import.meta.url));

test.each([
  ["classify", "own"],
  ["classify", "node"],
  ["predict", "own"],
  ["predict", "node"],
])("%s over %s HTTP/2 passes through no more files and functions than it did", async (...walk) => {
  const [call, transport] = walk;
  const args = [
    "--conditions=@tensorgate/source",
    script,
    call,
    "--json",
    "--transport",
    transport,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { files, functions, limits } = JSON.parse(stdout);

  expect(files).toBeGreaterThan(30);
  expect(files).toBeLessThanOrEqual(limits.maxFiles);
  expect(functions).toBeLessThanOrEqual(limits.maxFunctions);
});
