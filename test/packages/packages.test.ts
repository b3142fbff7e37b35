import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { nodeVersionFault } from "../../packages/cli/src/node-version.ts";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = (name: string) => join(root, "node_modules", ".bin", name);
const run = promisify(execFile);

const folder = mkdtempSync(join(tmpdir(), "tensorgate-packages-"));
const project = join(folder, "project");
const tarballs = inject("tarballs");
let running: RunningGateway;

beforeAll(async () => {
  running = await startBundledGateway();
  await run("mkdir", [project]);
  const manifest = { name: "empty", private: true, type: "module" };
  writeFileSync(join(project, "package.json"), JSON.stringify(manifest));
  // Install scripts run, as they do for a user.
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...tarballs], {
    cwd: project,
    env: { ...process.env, npm_config_loglevel: "error", npm_config_ignore_scripts: "false" },
  });
});
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test("there is a tarball of every package", () => {
  const { workspaces } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    workspaces: readonly string[];
  };
  expect(tarballs.map((path) => basename(path)).toSorted()).toEqual(
    workspaces
      .map((path) => JSON.parse(readFileSync(join(root, path, "package.json"), "utf8")))
      .map(({ name, version }) => `${name.replace("@", "").replace("/", "-")}-${version}.tgz`)
      .toSorted(),
  );
});

test("a tarball has what runs, its types, a readme and the licence, and nothing else", async () => {
  for (const tarball of tarballs) {
    const { stdout } = await run("tar", ["-tzf", tarball]);
    const names = stdout
      .trim()
      .split("\n")
      .map((name) => name.replace("package/", ""));
    const odd = names.filter(
      (name) =>
        !["package.json", "README.md", "LICENSE", "tensorgate.js"].includes(name) &&
        !/^dist\/.*\.(js|d\.ts|css|html|mjs)$|^dist\/page\/(\.built-from|docs\/[\w.-]+\.txt)$/.test(
          name,
        ) &&
        !/^(gen\/.*_pb\.(js|d\.ts)|[\w/]+\.proto)$/.test(name) &&
        !/^node_modules\/onnxruntime-(node|common)\//.test(name) &&
        // The command deploys by it.
        !/^chart\/[\w./-]+\.(yaml|json|tpl|txt)$/.test(name) &&
        !/^dist\/samples\/([\w-]+\.jpg|thumbnails\/[\w-]+\.webp)$/.test(name) &&
        !/^models\/[\w-]+\/\d+\/(model\.onnx|manifest\.json)$/.test(name) &&
        !/^chart\/(Chart\.yaml|values\.(yaml|schema\.json)|templates\/[\w.]+)$/.test(name),
    );
    expect(odd, basename(tarball)).toEqual([]);
    expect(names).toEqual(expect.arrayContaining(["package.json", "README.md", "LICENSE"]));
    expect(names.filter((name) => /\.test\.|testdata/.test(name))).toEqual([]);
  }
});

test("a manifest names the repository, its folder there, the licence and what it is about", () => {
  for (const name of readdirSync(join(project, "node_modules", "@tensorgate"))) {
    const folder = join(project, "node_modules", "@tensorgate", name);
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    expect(manifest).toMatchObject({
      description: expect.stringMatching(/\w/),
      homepage: expect.stringContaining(manifest.repository.directory),
      bugs: { url: expect.stringMatching(/^https:.*\/issues$/) },
      repository: { type: "git", url: expect.stringMatching(/^git\+https:/) },
      keywords: expect.arrayContaining(["tensorgate"]),
      license: "Apache-2.0",
      publishConfig: { access: "public", provenance: true },
    });
    expect(manifest).not.toHaveProperty("devDependencies");
    expect(existsSync(join(root, manifest.repository.directory, "package.json"))).toBe(true);
  }
});

test("ONNX Runtime comes with the model server, without the script that loads CUDA", async () => {
  const server = join(project, "node_modules/@tensorgate/model-server");
  const engine = join(server, "node_modules/onnxruntime-node");

  expect(JSON.parse(readFileSync(join(engine, "package.json"), "utf8"))).not.toHaveProperty(
    "scripts",
  );
  expect(existsSync(join(project, "node_modules/onnxruntime-node"))).toBe(false);
  expect(readdirSync(join(engine, "bin/napi-v6")).toSorted()).toEqual(["darwin", "linux", "win32"]);
});

test("publint finds nothing", async () => {
  for (const tarball of tarballs) {
    const bytes = readFileSync(tarball);
    const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(bytes).buffer } });
    expect(
      messages.map((message) => formatMessage(message, pkg)),
      basename(tarball),
    ).toEqual([]);
  }
});

test("the types are right where they are imported", async () => {
  // Entries of @tensorgate/proto are a pattern, which the tool looks into no further.
  for (const tarball of tarballs) {
    await run(bin("attw"), ["--profile", "esm-only", "--quiet", tarball]);
  }
});

test("the client for Node alone is under 5 MB, and says what its gRPC client needs", async () => {
  const alone = join(folder, "alone");
  await run("mkdir", [alone]);
  writeFileSync(join(alone, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const own = /tensorgate-(core|client-core|grpc|proto|tf-serving|client)-[\d.]+\.tgz$/;
  await run(
    "npm",
    [
      ...["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
      ...tarballs.filter((path) => own.test(path)),
    ],
    { cwd: alone },
  );
  const modules = join(alone, "node_modules");
  const sizes = readdirSync(modules, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => statSync(join(parentPath, name)).size);
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(5_000_000);

  writeFileSync(
    join(alone, "predict.js"),
    `import { PredictionClient } from "@tensorgate/client";
     const client = new PredictionClient({ address: "127.0.0.1" });
     const inputs = { images: { data: [1], shape: [1] } };
     await client.scoreTensors(inputs).catch(({ message }) => console.log(message));`,
  );
  const { stdout } = await run(process.execPath, ["predict.js"], { cwd: alone });
  expect(stdout).toBe(
    "scoreTensors: PredictionClient needs the package @grpc/grpc-js. Hint: npm install @grpc/grpc-js\n",
  );
});

test("the clients score from an empty project", async () => {
  writeFileSync(
    join(project, "score.js"),
    `import { ScoringClient } from "@tensorgate/client";
     import { StatusService } from "@tensorgate/client/v1";
     import { openServingServices } from "@tensorgate/client/tensorflow-serving";
     import { ScoringClient as WebClient } from "@tensorgate/web-client";
     import { readFile } from "node:fs/promises";
     const [, , baseUrl, picture] = process.argv;
     for (const transport of ["connect", "grpc"]) {
       await using client = new ScoringClient({ baseUrl, transport });
       console.log((await client.classify("shapes", picture))[0].label);
     }
     const web = new WebClient({ baseUrl });
     console.log((await web.classify("shapes", new Blob([await readFile(picture)])))[0].label);
     console.log(StatusService.typeName, typeof openServingServices);`,
  );
  const picture = join(root, "examples/pictures/star.jpg");

  const { stdout } = await run(process.execPath, ["score.js", running.url, picture], {
    cwd: project,
  });

  expect(stdout.trim().split("\n")).toEqual([
    ...["star", "star", "star", "tensorgate.v1.StatusService function"],
  ]);
});

test("its types compile under strict, in a project of Node and in one of a browser", async () => {
  const common = { strict: true, noEmit: true, target: "es2024", exactOptionalPropertyTypes: true };
  writeFileSync(
    join(project, "node.ts"),
    `import { ScoringClient, type ClientError } from "@tensorgate/client";
     import { createGateway } from "@tensorgate/gateway";
     const client = new ScoringClient({ onEvent: ({ type }) => console.log(type) });
     const { boxes } = await client.detect("m", "a.jpg", { minScore: 0.5 });
     const box: number | undefined = boxes[0]?.box.x;
     const told = (error: ClientError) => [error.reason, error.retryable, error.hint];
     void [box, told, createGateway];`,
  );
  writeFileSync(
    join(project, "browser.ts"),
    `import { classify, openConnection, ScoringClient } from "@tensorgate/web-client";
     const client = new ScoringClient({ baseUrl: "https://gateway.example" });
     const video = document.createElement("video");
     for await (const frame of client.stream("m", video, { task: "detect", fps: 5 })) {
       if (frame.ok) console.log(frame.value.boxes[0]?.label, frame.value.meta.upload?.bytes);
     }
     void classify(openConnection(), "m", document.createElement("canvas"));`,
  );
  for (const [name, more] of [
    ["node", { module: "nodenext", lib: ["es2024"], types: ["node"], skipLibCheck: true }],
    [
      "browser",
      { module: "esnext", moduleResolution: "bundler", lib: ["es2024", "dom"], types: [] },
    ],
  ] as const) {
    const typeRoots = [join(root, "node_modules/@types")];
    const compilerOptions = { ...common, ...more, typeRoots };
    const config = { compilerOptions, files: [`${name}.ts`] };
    writeFileSync(join(project, `tsconfig.${name}.json`), JSON.stringify(config));
    await run(bin("tsc"), ["-p", `tsconfig.${name}.json`], { cwd: project }).catch(
      ({ stdout }: { stdout: string }) => expect.fail(stdout),
    );
  }
});

/** A Node on the path that is older than the packages need: not the one that the project pins. */
const oldNode = (process.env["PATH"] ?? "")
  .split(delimiter)
  .map((each) => join(each, "node"))
  .filter((path) => !path.startsWith(root) && existsSync(path))
  .find((path) => {
    const version = execFileSync(path, ["-p", "process.versions.node"], { encoding: "utf8" });
    return nodeVersionFault(version.trim()) !== undefined;
  });

test.skipIf(oldNode !== undefined)(
  "an older Node is not tried: there is none on the path",
  () => {},
);

test.runIf(oldNode !== undefined)(
  "an older Node says which one is needed, and no stack",
  async () => {
    for (const name of ["@tensorgate/cli/dist/main.js", "tensorgate/tensorgate.js"]) {
      const command = join(project, "node_modules", name);
      const failed = await run(oldNode ?? "", [command, "demo"]).catch((thrown) => thrown);

      expect(failed).toMatchObject({ code: 1, stdout: "" });
      expect(failed.stderr).toMatch(/^tensorgate: needs Node 22\.18 or newer; this is \d+\.\d+\n$/);
    }
  },
);

test("the command that was installed runs the demo, page and all", async () => {
  const command = join(project, "node_modules/tensorgate/tensorgate.js");
  const child = spawn(process.execPath, [command, "demo", "--port", "0", "--admin-port", "0"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let said = "";
  for await (const chunk of child.stdout) {
    said += String(chunk);
    if (/Ctrl-C/.test(said)) break;
  }
  const url = /ready: (http:\S+)/.exec(said)?.[1] ?? "";

  const answer = await fetch(`${url}/v1/classify/shapes`, {
    method: "POST",
    body: readFileSync(join(root, "examples/pictures/star.jpg")),
  });
  expect(await answer.text()).toContain('"label":"star"');
  const [, call = ""] = /try it:\s+(curl .*)/.exec(said) ?? [];
  expect((await run("sh", ["-c", call])).stdout).toContain('"label":"star"');
  expect(await (await fetch(`${url}/docs`)).text()).toContain("swagger-ui-bundle.js");
  expect((await fetch(`${url}/docs/swagger-ui-bundle.js`)).status).toBe(200);
  expect(await (await fetch(url)).text()).toContain("<title>Tensorgate</title>");
  expect((await fetch(`${url}/web-client.js`)).status).toBe(200);

  const ended = once(child, "exit");
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
});
