import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startBundledGateway } from "../support/running-gateway.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const commands = readFileSync(`${root}/README.md`, "utf8")
  .split("\n")
  .map((line) => line.trim())
  .filter((line) => line.startsWith("curl "));
const hasCurl = ["/usr/bin/curl", "/bin/curl"].some((path) => existsSync(path));

test("the README's snippet for Node works as it is printed", async () => {
  await using running = await startBundledGateway();
  const readme = readFileSync(`${root}/README.md`, "utf8");
  const snippet = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  // In the repository, where the client is found.
  const folder = mkdtempSync(`${root}/.snippet-`);
  try {
    const file = `${folder}/snippet.ts`;
    writeFileSync(file, snippet.replace("http://127.0.0.1:8080", running.url));
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--conditions=@tensorgate/source", "scripts/run-example.ts", file],
      { cwd: root },
    );
    expect(stdout).toMatch(/^triangle \{/m);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.skipIf(hasCurl)("the README's curl commands are skipped: there is no curl here", () => {});

test.runIf(hasCurl)("the README's curl commands answer as printed", async () => {
  await using running = await startBundledGateway();
  expect(commands.length).toBeGreaterThan(3);

  for (const command of commands) {
    const line = command
      .replace("curl ", "curl -fsS ")
      .replace("http://127.0.0.1:8080", running.url);
    const { stdout } = await promisify(execFile)("bash", ["-c", line], { cwd: root });
    expect({ command, body: JSON.parse(stdout) }).toMatchObject({
      body: { model: { name: expect.stringMatching(/^shapes/) }, region: "westeurope" },
    });
    if (command.includes("/v1/detect")) expect(stdout).toContain('"label":"triangle"');
    if (command.includes("/v1/classify")) expect(stdout).toContain('"label":"star"');
  }
});
