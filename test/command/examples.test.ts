import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { consoleFiles } from "@tensorgate/console";
import { afterAll, beforeAll, expect, test } from "vitest";
import { snippet } from "../../packages/console/page/call/snippets.ts";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const hasCurl = ["/usr/bin/curl", "/bin/curl"].some((path) => existsSync(path));

let running: RunningGateway;
beforeAll(async () => {
  running = await startBundledGateway({}, { console: consoleFiles({ hasSamples: true }) });
});
afterAll(() => running[Symbol.asyncDispose]());

const environment = (more: Record<string, string> = {}) => ({
  ...process.env,
  TENSORGATE_URL: running.url,
  NO_COLOR: "1",
  ...more,
});

/** Runs an example as its readers do. */
async function ran(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd: root, env: environment() });
  return stdout;
}

const node = (example: string, ...args: readonly string[]) =>
  ran(process.execPath, ["--conditions=@tensorgate/source", `examples/node/${example}`, ...args]);

test("the Node example scores pictures, boxes and many", async () => {
  const lines = (await node("score.ts")).trimEnd().split("\n");

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
  const example = readFileSync(`${root}/examples/node/score.ts`, "utf8");
  const readme = readFileSync(`${root}/packages/client/README.md`, "utf8");

  expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``);
});

test("the one-liner prints a label", async () => {
  expect(await node("one-liner.ts")).toMatch(/label: 'star'/);
});

test("a folder becomes CSV", async () => {
  const lines = (await node("batch-folder.ts", "examples/pictures")).trimEnd().split("\n");

  expect(lines).toHaveLength(readdirSync(`${root}/examples/pictures`).length);
  for (const line of lines.filter((each) => !each.includes("scene-"))) {
    const [path = "", label] = line.split(",");
    expect(path).toContain(`${label}.jpg`);
  }
});

test.runIf(hasCurl)("the shell script prints JSON, and fails with what went wrong", async () => {
  const answer = JSON.parse(
    await ran("bash", ["examples/curl/score.sh", "examples/pictures/star.jpg"]),
  );
  const failed = await ran("bash", ["examples/curl/score.sh", "README.md"]).catch(
    (thrown) => thrown,
  );

  expect(answer.results[0].labels[0].label).toBe("star");
  expect(failed.code).not.toBe(0);
  expect(failed.stdout).toContain('"reason":"unsupported-media"');
});

test("the Express endpoint answers, and tells whose fault a failure is", async () => {
  const server = spawn(
    process.execPath,
    ["--conditions=@tensorgate/source", "examples/express/server.ts"],
    { cwd: root, env: environment({ PORT: "0" }), stdio: ["ignore", "pipe", "inherit"] },
  );
  const [said] = (await once(server.stdout, "data")) as [Buffer];
  const port = /port: (\d+)/.exec(said.toString())?.[1];
  const post = (body: BodyInit) =>
    fetch(`http://127.0.0.1:${port}/what-is-it`, { method: "POST", body });

  expect(await (await post(samplePicture("moon"))).json()).toMatchObject({ label: "moon" });
  const refused = await post("hello");
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({ reason: "unsupported-media" });

  server.kill("SIGTERM");
  await once(server, "exit");
}, 30_000);

const call = (file: string) => ({
  origin: running.url,
  task: "classify" as const,
  model: "shapes",
  needsKey: false,
  file,
  contentType: "image/jpeg",
});

/** Calls as the page prints them: with a file or a sample, with settings, and of each task. */
const printed = [
  { name: "classify", more: {}, shows: /label"?: ["']drop/ },
  {
    name: "classify a sample",
    more: { sample: "/samples/star.jpg", options: { topK: 1, minScore: 0.5 } },
    shows: /label"?: ?["']star/,
  },
  { name: "embed", more: { task: "embed" as const }, shows: /\d\.\d+, ?/ },
  { name: "predict", more: { task: "predict" as const }, shows: /predictions"?:/ },
  {
    name: "predict a sample",
    more: { task: "predict" as const, sample: "/samples/star.jpg" },
    shows: /predictions"?:/,
  },
];

test.runIf(hasCurl)("what the page prints for curl works as it is printed", async () => {
  for (const { more, shows } of printed) {
    const line = snippet("curl", { ...call("examples/pictures/drop.jpg"), ...more });

    expect((await ran("bash", ["-c", line])).replaceAll('":', '": ')).toMatch(shows);
  }
});

test("what the page prints for Node works as it is printed", async () => {
  // In the repository, where the client is found.
  const folder = mkdtempSync(`${root}/.snippet-`);
  try {
    for (const { more, shows } of printed) {
      const code = snippet("Node", { ...call("examples/pictures/drop.jpg"), ...more });
      writeFileSync(`${folder}/score.mjs`, code);
      const args = ["--conditions=@tensorgate/source", `${folder}/score.mjs`];
      expect(await ran(process.execPath, args)).toMatch(shows);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 30_000);

test("a file of an odd name is quoted", () => {
  const line = snippet("curl", { ...call("it's a $HOME.jpg"), needsKey: true });

  expect(line).toContain("--data-binary @'it'\\''s a $HOME.jpg'");
  expect(line).toContain('-H "authorization: Bearer $TENSORGATE_API_KEY"');
});

test("every example is listed, and every one that is listed is there", () => {
  const readme = readFileSync(`${root}/examples/README.md`, "utf8");
  const listed = [...readme.matchAll(/\]\(([\w/.-]+)\)/g)].map(([, path]) => path ?? "");
  const folders = ["browser", "curl", "express", "go", "node", "python", "react"];
  const there = folders.flatMap((folder) =>
    readdirSync(`${root}/examples/${folder}`).map((name) => `${folder}/${name}`),
  );

  expect(listed.toSorted()).toEqual(there.toSorted());
});
