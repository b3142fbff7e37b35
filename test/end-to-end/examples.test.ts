import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startBundledGateway } from "../support/running-gateway.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const example = readFileSync(`${root}/examples/node/score.ts`, "utf8");

test("the Node example runs as it is", async () => {
  await using running = await startBundledGateway();

  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@tensorgate/source", "examples/node/score.ts"],
    { cwd: root, env: { ...process.env, TENSORGATE_URL: running.url } },
  );

  const lines = stdout.trimEnd().split("\n");
  expect(lines[0]).toBe("star westeurope");
  expect(lines.slice(1, 5).map((line) => line.split(" ")[0])).toEqual(
    expect.arrayContaining(["circle", "hexagon", "plus", "triangle"]),
  );
  expect(lines.slice(5).toSorted()).toEqual([
    "examples/pictures/heart.jpg heart",
    "examples/pictures/moon.jpg moon",
    expect.stringMatching(/^examples\/pictures\/nowhere\.jpg classify\(shapes\): .*cannot be read/),
  ]);
});

test("the client's README shows that example", () => {
  const readme = readFileSync(`${root}/packages/client/README.md`, "utf8");

  expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``);
});
