import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { run } from "../../packages/cli/src/run.ts";
import { createSignals } from "../../packages/cli/src/service/signals.ts";
import { type EndedCommand, runInProcess } from "../support/in-process-command.ts";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const command = ["--conditions=@tensorgate/source", "packages/cli/src/main.ts"];

let running: RunningGateway;
beforeAll(async () => {
  running = await startBundledGateway();
  process.env["TENSORGATE_URL"] = running.url;
});
afterAll(async () => {
  delete process.env["TENSORGATE_URL"];
  await running[Symbol.asyncDispose]();
});

function score(args: readonly string[], stdin?: Uint8Array): Promise<EndedCommand> {
  return tensorgate(["score", ...args], stdin);
}

/** Runs the command in this process, but for its standard input. */
async function tensorgate(args: readonly string[], stdin?: Uint8Array): Promise<EndedCommand> {
  if (stdin) return inItsOwnProcess(args, stdin);
  return runInProcess(args);
}

function inItsOwnProcess(args: readonly string[], stdin: Uint8Array): Promise<EndedCommand> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...command, ...args],
      { cwd: root, env: process.env },
      (error, stdout, stderr) => {
        resolve({ code: Number(error?.code ?? 0), stdout, stderr });
      },
    );
    child.stdin?.end(stdin);
  });
}

test("a folder of pictures becomes a line for each", async () => {
  const { code, stdout, stderr } = await score(["examples/pictures", "-m", "shapes", "--top", "1"]);

  const lines = stdout.trimEnd().split("\n");
  expect(code).toBe(0);
  expect(stderr).toMatch(/^18 pictures in \d+\.\d s, \d+\.\d a second\n$/);
  expect(lines).toHaveLength(18);
  expect(lines.find((line) => line.includes("/star.jpg"))).toMatch(/star \d+\.\d %$/);
});

test("JSON lines in a pipe are the answers of REST; a picture that failed makes the exit code 1", async () => {
  const { code, stdout, stderr } = await score([
    ...["examples/pictures/star.jpg", "README.md", "--model", "shapes", "--json"],
  ]);

  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const star = lines.find(({ input }) => input.endsWith("star.jpg"));
  const response = await fetch(`${running.url}/v1/classify/shapes`, {
    method: "POST",
    body: new Uint8Array(readFileSync(`${root}/examples/pictures/star.jpg`)),
  });
  const { results } = (await response.json()) as { results: { labels: object[] }[] };
  expect(star.labels).toEqual(results[0]?.labels);
  expect(lines.find(({ input }) => input === "README.md")).toMatchObject({
    error: { reason: "unsupported-media" },
  });
  expect(code).toBe(1);
  expect(stderr).toContain("1 of 2 pictures failed with model shapes");
});

test("web addresses are pictures, and results go to a file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-score-"));
  const file = join(folder, "out.csv");
  const pictures = http.createServer(({ url }, response) => {
    if (url === "/star.jpg") response.end(readFileSync(`${root}/examples/pictures/star.jpg`));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => pictures.listen(0, "127.0.0.1", resolve));
  const { port } = pictures.address() as AddressInfo;
  const address = `http://127.0.0.1:${port}`;

  const { code, stdout, stderr } = await score([
    ...[`${address}/star.jpg`, `${address}/none.jpg`, "-m", "shapes", "--top", "1"],
    ...["--csv", "-o", file],
  ]);

  pictures.closeAllConnections();
  pictures.close();
  const rows = readFileSync(file, "utf8").trimEnd().split("\n").slice(1).toSorted();
  rmSync(folder, { recursive: true });
  expect(rows).toEqual([
    expect.stringMatching(/none\.jpg,.*cannot be downloaded: HTTP 404$/),
    expect.stringMatching(/star\.jpg,\d+,star,/),
  ]);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain("1 of 2 pictures failed");
});

test("a file that cannot be written is reported before anything is scored", async () => {
  const output = join(tmpdir(), "no such folder", "labels.csv");
  const ended = await score(["examples/pictures", "-m", "shapes", "-o", output]);

  expect(ended).toMatchObject({ code: 1, stdout: "" });
  expect(ended.stderr).toMatch(/^tensorgate: cannot write .*labels\.csv: ENOENT[^\n]*\n$/);
});

test("an unknown model is explained by the command that lists the models", async () => {
  const { code, stderr } = await score(["examples/pictures/star.jpg", "-m", "shpes"]);

  expect(code).toBe(1);
  expect(stderr).toBe(
    'tensorgate: unknown model "shpes"; did you mean "shapes"? see tensorgate models\n',
  );
});

test("Ctrl-C ends it with what was done until then", async () => {
  const signals = createSignals();
  const heard: string[] = [];
  const write = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    heard.push(String(text));
    return true;
  });
  const lines = vi.spyOn(process.stdout, "write").mockImplementation(() => {
    process.emit("SIGINT");
    return true;
  });

  const code = await run(
    ["score", "examples/pictures", "-m", "shapes", "--concurrency", "1"],
    signals,
  );

  write.mockRestore();
  lines.mockRestore();
  expect(code).toBe(130);
  expect(heard.join("")).toMatch(/tensorgate: stopped after \d of 18 pictures\n$/);
});

test("standard input is a picture, and a detector gives boxes", async () => {
  const scene = readFileSync(`${root}/examples/pictures/scene-2.jpg`);

  const { code, stdout } = await score(["-", "-m", "shapes-detector", "--csv"], scene);

  const [head, ...rows] = stdout.trimEnd().split("\n");
  expect([code, head]).toEqual([0, "input,index,label,score,x,y,width,height,error"]);
  expect(rows.map((row) => row.split(",")[2]).toSorted()).toEqual(["cross", "heart"]);
});

test.each([
  { args: ["nowhere.jpg", "-m", "shapes"], code: 1, text: "nowhere.jpg: no such file" },
  { args: ["examples", "-m", "shape"], code: 1, text: 'unknown model "shape"' },
  {
    args: ["examples"],
    code: 2,
    text: "choose a model with --model; models of this gateway: shapes, shapes-detector",
  },
  { args: ["examples", "-m", "shapes", "--json", "--csv"], code: 2, text: "not both" },
  {
    args: ["--foo"],
    code: 2,
    text: "unknown option '--foo'\n(run tensorgate score --help for usage)",
  },
])("$args ends with $code and says why", async ({ args, code, text }) => {
  const ended = await score(args);

  expect(ended.code).toBe(code);
  expect(ended.stderr).toContain(text);
});

test.each([["score", "examples", "-m", "shapes"], ["models"], ["types"], ["doctor"], ["status"]])(
  "%s says what is wrong with an address",
  async (...args) => {
    const { code, stderr } = await tensorgate([...args, "--url", "localhost:8080"]);

    expect(code).toBe(2);
    expect(stderr).toContain("Expected an http or https URL such as http://127.0.0.1:8080");
  },
);

test("a reader that closes its pipe ends the command without an error", async () => {
  const child = spawn(
    process.execPath,
    [...command, "score", "examples/pictures", "-m", "shapes", "--json"],
    {
      cwd: root,
      env: process.env,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let complaint = "";
  child.stderr.on("data", (chunk) => {
    complaint += chunk;
  });
  child.stdout.once("data", () => child.stdout.destroy());

  await new Promise((resolve) => child.once("close", resolve));

  expect(complaint).toBe("");
});

test("models are listed for people and for programs", async () => {
  const table = await tensorgate(["models"]);
  const lines = await tensorgate(["models", "list", "--json"]);

  expect(table.stdout.split("\n")[1]).toMatch(
    /^shapes {2,}classify embed predict +1 +westeurope +16 +trained$/,
  );
  expect(
    lines.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    { name: "shapes", versions: ["1"] },
    { name: "shapes-detector", tasks: ["detect", "predict"] },
  ]);
});

test("the status is shown once in a pipe, and written as JSON for programs", async () => {
  const table = await tensorgate(["status"]);
  const object = await tensorgate(["status", "--once", "--json"]);

  expect(table).toMatchObject({ code: 0, stderr: "" });
  expect(table.stdout).toMatch(/^tensorgate \S+ in westeurope, up .* retries left\n/);
  expect(table.stdout).toMatch(/\nwesteurope \(here\)\n {2}shapes: 0 waiting, expected wait/);
  expect(table.stdout).toMatch(/\n {4}westeurope-1 +ready +0\/\d+ /);
  expect(JSON.parse(object.stdout)).toMatchObject({
    regions: [{ name: "westeurope", pools: [{ model: "shapes" }, { model: "shapes-detector" }] }],
  });
});

test("the status is repeated as lines of JSON until the command is stopped", async () => {
  const child = spawn(process.execPath, [...command, "status", "--json", "--interval", "250"], {
    cwd: root,
    env: process.env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const uptimes: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    uptimes.push(JSON.parse(line).uptimeMs);
    if (uptimes.length === 2) child.kill("SIGINT");
  }

  expect(await ended).toBe(0);
  expect(uptimes[1]).toBeGreaterThan(uptimes[0] ?? 0);
});

test("the status says why there is none", async () => {
  const nobody = await tensorgate(["status", "--url", "http://127.0.0.1:9"]);
  const soon = await tensorgate(["status", "--interval", "10"]);

  expect(nobody).toMatchObject({ code: 1, stdout: "" });
  expect(nobody.stderr).toContain("the gateway cannot be reached");
  expect(soon).toMatchObject({ code: 2 });
  expect(soon.stderr).toContain("from 250 to 60000");
});

test("the doctor finds a gateway well, and says what a page of another origin needs", async () => {
  const well = await tensorgate(["doctor"]);
  const foreign = await tensorgate(["doctor", "--origin", "https://app.example"]);

  expect(well).toMatchObject({ code: 0, stderr: "" });
  expect(well.stdout).toMatch(
    /ok {4}shapes: classify, version 1, in westeurope; the test picture took \d+ ms/,
  );
  expect(foreign.code).toBe(1);
  expect(foreign.stdout).toContain("WRONG pages of https://app.example are not allowed");
  expect(foreign.stdout).toContain("crossSite.origins");
});

test.each([
  { url: () => "http://127.0.0.1:9", text: "cannot be reached" },
  {
    url: () => running.url.replace("http:", "https:"),
    text: "the server does not use TLS; try http",
  },
])("the doctor says why a gateway cannot be reached: $text", async ({ url, text }) => {
  const { code, stdout, stderr } = await tensorgate(["doctor", "--url", url()]);

  expect(code).toBe(1);
  expect(stdout + stderr).toContain(text);
});

test("from a subfolder of a checkout, npm finds the files that are in it", async () => {
  const args = ["run", "--silent", "tensorgate", "--", "score", "star.jpg", "--model", "shapes"];
  const { npm_package_name: _, ...env } = process.env;

  const { stdout } = await promisify(execFile)("npm", args, {
    cwd: join(root, "examples/pictures"),
    env,
  });

  expect(stdout).toMatch(/^star\.jpg\s.*star/);
}, 60_000);
