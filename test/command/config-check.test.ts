import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { tensorgate } from "../support/command-process.ts";

/** Runs `tensorgate config check` in its own process. @returns all that it wrote, line by line */
async function checked(config: string): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-check-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "tensorgate.yaml");
  writeFileSync(file, config);
  const { child, said } = tensorgate(["config", "check", file]);
  await once(child, "close");
  return said.text().replaceAll(file, "tensorgate.yaml").trim().split("\n").toSorted();
}

test("old names of settings are reported in a line each, in the form of the command", async () => {
  const lines = await checked(
    [
      "region: r",
      "routing: { returningMs: 500 }",
      "models: [{ name: m, repeatable: true }]",
      "pools: [{ model: m, region: r, replicas: ['127.0.0.1:1'] }]",
    ].join("\n"),
  );

  expect(lines).toEqual([
    "tensorgate.yaml is valid: 1 model, 1 pool, 1 replica",
    "tensorgate: warning: models[0].repeatable is called idempotent now: rename it",
    "tensorgate: warning: routing.returningMs is called halfOpenMs now: rename it",
  ]);
});
