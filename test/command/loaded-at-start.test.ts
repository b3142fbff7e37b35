import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { startScript } from "../support/child-process.ts";
import { hear } from "../support/command-process.ts";

/** What a gateway that has just started does not need: files and folders of this repository, and the names of Node's modules. */
const onDemandInGateway: readonly string[] = [
  "node_modules/yaml/",
  "node_modules/@connectrpc/connect-node/",
  "packages/gateway/src/inbound/protocols/rest/openapi/document.ts",
  ...["http2", "tls", "https", "internal/deps/undici/undici"].map((name) => `NativeModule ${name}`),
];

/** The same of `tensorgate serve`, without a registry, workers and a collector. */
const onDemandInServe: readonly string[] = [
  ...["registry", "oci-image", "client", "model-server"].map((name) => `packages/${name}/`),
  ...["deploy/cluster-tools", "heads/watch-heads", "serve/workers/serve-by-workers"].map(
    (name) => `packages/cli/src/${name}.ts`,
  ),
  ...["teach", "score", "demo", "attach", "deploy"].map(
    (name) => `packages/cli/src/commands/${name}.ts`,
  ),
  ...[
    "@connectrpc/connect-node",
    "@opentelemetry/sdk-trace",
    "@opentelemetry/otlp-transformer",
  ].map((name) => `node_modules/${name}/`),
  "packages/gateway/src/inbound/protocols/rest/openapi/document.ts",
];

/** Modules that a start loads, at most: what is added here takes memory of every gateway, and time of every command. */
const maxModules = { gateway: 740, serve: 1_010, help: 60 };

const folder = mkdtempSync(join(tmpdir(), "tensorgate-start-"));
afterAll(() => rmSync(folder, { recursive: true }));

const root = fileURLToPath(new URL("../..", import.meta.url));
const hook = fileURLToPath(new URL("../support/loaded-modules.ts", import.meta.url));

/** Starts a process that sends the modules that it has loaded. */
function spawnHooked(
  script: string,
  args: readonly string[],
  planted: readonly string[] = [],
): ChildProcess {
  const imports = [hook, ...planted].flatMap((module) => ["--import", module]);
  return spawn(process.execPath, ["--conditions=@tensorgate/source", ...imports, script, ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
}

/** A process whose loaded modules can be asked for; disposing of it ends it. */
async function start(script: string, args: readonly string[], planted: readonly string[] = []) {
  const child = spawnHooked(script, args, planted);
  const [, text = ""] = await hear(child).matching(/(?:port |ready: \S+:)(\d+)\n/);
  return {
    url: `http://127.0.0.1:${text}`,
    loaded: async (): Promise<readonly string[]> => {
      const answered = once(child, "message");
      child.send("which");
      const [modules] = await answered;
      return modules;
    },
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function startGateway(planted: readonly string[] = []) {
  const replica = await startScript("replica-script.ts", []);
  const gateway = await start("test/support/gateway-script.ts", [String(replica.port)], planted);
  return {
    ...gateway,
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]();
      await replica[Symbol.asyncDispose]();
    },
  };
}

const isNodes = (name: string) => name.startsWith("NativeModule ");

/** Which of `names` were loaded. */
const found = (names: readonly string[], loaded: readonly string[]) =>
  names.filter((name) =>
    loaded.some((each) => (isNodes(name) ? each === name : each.includes(`/${name}`))),
  );

const countOf = (loaded: readonly string[]) =>
  loaded.filter((each) => each.startsWith("file:")).length;

test("a gateway loads at its start what every call needs, and the rest on demand", async () => {
  await using gateway = await startGateway();

  const atStart = await gateway.loaded();
  expect(found(onDemandInGateway, atStart)).toEqual([]);
  expect(countOf(atStart)).toBeLessThanOrEqual(maxModules.gateway);

  expect((await fetch(`${gateway.url}/openapi.json`)).status).toBe(200);
  expect(found(onDemandInGateway, await gateway.loaded())).toEqual([
    "packages/gateway/src/inbound/protocols/rest/openapi/document.ts",
  ]);

  expect(await statusByHttp2(gateway.url, "/livez")).toBe(200);
  expect(found(onDemandInGateway, await gateway.loaded())).toContain("NativeModule http2");
});

test("serve loads no other command, no registry and no exporter of spans", async () => {
  const file = join(folder, "tensorgate.yaml");
  writeFileSync(
    file,
    "listen: { port: 0 }\npools: [{ model: m, region: r, replicas: ['127.0.0.1:1'] }]\n",
  );
  const args = ["serve", "--config", file, "--admin-port", "0"];
  await using gateway = await start("packages/cli/src/main.ts", args);

  const atStart = await gateway.loaded();
  expect(found(onDemandInServe, atStart)).toEqual([]);
  expect(found(["node_modules/yaml/", "packages/cli/src/commands/serve.ts"], atStart)).toHaveLength(
    2,
  );
  expect(countOf(atStart)).toBeLessThanOrEqual(maxModules.serve);
});

test("the command lists its options without what its subcommands need", async () => {
  const child = spawnHooked("packages/cli/src/main.ts", ["serve", "--help"]);
  child.stdout?.resume();
  const [[loaded]] = await Promise.all([once(child, "message"), once(child, "exit")]);

  const packages = ["node_modules/@bufbuild/", "node_modules/zod/", "packages/gateway/"];
  expect(found([...packages, ...onDemandInServe], loaded)).toEqual([]);
  expect(found(["packages/cli/src/run.ts"], loaded)).toHaveLength(1);
  expect(countOf(loaded)).toBeLessThanOrEqual(maxModules.help);
});

test("what is loaded too early is found", async () => {
  const files = [...onDemandInGateway, ...onDemandInServe].filter((name) => !isNodes(name));
  expect(files.filter((name) => !existsSync(join(root, name)))).toEqual([]);

  const planted = ["yaml", "node:http2", "@connectrpc/connect-node"];
  await using gateway = await startGateway(planted);

  expect(found(onDemandInGateway, await gateway.loaded())).toEqual(
    expect.arrayContaining([
      "node_modules/yaml/",
      "NativeModule http2",
      "node_modules/@connectrpc/connect-node/",
    ]),
  );
});

function statusByHttp2(url: string, path: string): Promise<number> {
  const session = http2.connect(url);
  return new Promise((resolve, reject) => {
    session.once("error", reject);
    const request = session.request({ ":path": path });
    request.once("response", ({ ":status": status = 0 }) => {
      session.destroy();
      resolve(status);
    });
    request.once("error", reject);
  });
}
