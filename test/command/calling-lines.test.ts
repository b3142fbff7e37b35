import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callingLines } from "../../packages/cli/src/deploy/calling-lines.ts";
import { createKey } from "../../packages/cli/src/deploy/service-key.ts";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

let folder: string;
let running: RunningGateway;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tensorgate-lines-"));
  writeFileSync(join(folder, "picture.jpg"), samplePicture("star"));
  const { key, entry } = createKey("shop", ["*"]);
  writeFileSync(join(folder, "shop.key"), `${key}\n`);
  running = await startShapesGateway({ keys: [entry] });
}, 60_000);
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function hasProgram(name: string): boolean {
  try {
    execFileSync("which", [name]);
    return true;
  } catch {
    return false;
  }
}

test.each(["curl", "node", "python3"])("the line for %s scores a picture", async (program) => {
  if (!hasProgram(program)) return;
  const { url } = running;
  const service = { url, model: "shapes", task: "classify", keyFile: "./shop.key" } as const;
  const line = callingLines(service).find((each) => each.startsWith(program)) ?? "";

  const { stdout } = await promisify(execFile)("sh", ["-c", line], { cwd: folder });

  expect(JSON.parse(stdout).results[0].labels[0]).toMatchObject({ label: "star" });
});

test("without a key no line names one", () => {
  const lines = callingLines({ url: "http://s", model: "m", task: "detect", keyFile: undefined });

  expect(lines.join("\n")).not.toMatch(/authorization|--key/);
  expect(lines[0]).toContain("http://s/v1/detect/m");
});
