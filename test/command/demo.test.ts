import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "@tensorgate/gateway";
import { expect, test } from "vitest";
import { tensorgate } from "../support/command-process.ts";
import { samplePicture } from "../support/pictures.ts";

/** State and parent of a process, by Linux's own account. */
function statOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  try {
    const [state = "", parent] =
      readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

function childrenOf(pid: number | undefined): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => statOf(each)?.parent === pid);
}

/** What has ended and was not fetched by its parent, which may be a careless init, is not alive. */
const isAlive = (pid: number) => ![undefined, "Z"].includes(statOf(pid)?.state);

async function label(url: string): Promise<string | undefined> {
  const response = await fetch(`${url}/v1/classify/shapes`, {
    method: "POST",
    body: samplePicture("star"),
  });
  const body = (await response.json()) as { results?: { labels: { label: string }[] }[] };
  return body.results?.[0]?.labels[0]?.label;
}

async function region(url: string): Promise<string | null> {
  const response = await fetch(`${url}/v1/classify/shapes`, {
    method: "POST",
    body: samplePicture("star"),
  });
  return response.headers.get("x-tensorgate-region");
}

test.runIf(process.platform === "linux")(
  "the demo answers, outlives its model servers, and leaves no process behind",
  async () => {
    const { child, said } = tensorgate([
      "demo",
      "--port",
      "0",
      "--admin-port",
      "0",
      "--no-imagenet",
    ]);
    const [, url = ""] = await said.matching(/ready: (http:\S+)/);

    const [, call = ""] = await said.matching(/try it:\s+(curl .*)/);
    expect(execFileSync("sh", ["-c", call], { encoding: "utf8" })).toContain('"label":"star"');
    expect(await label(url)).toBe("star");
    expect(await (await fetch(url)).text()).toContain("<title>Tensorgate</title>");

    const [, metrics = ""] = await said.matching(/metrics: (http:\S+)/);
    expect(await (await fetch(metrics)).text()).toContain(
      'tensorgate_calls_total{protocol="rest",model="shapes",version="1",region="westeurope",reason="ok"} 2',
    );
    await said.matching(/"operation":"POST \/v1\/classify\/\{model\}","reason":"ok"/);

    const servers = childrenOf(child.pid);
    expect(servers).toHaveLength(2);
    const decoders = servers.flatMap(childrenOf);
    for (const server of servers.slice(0, 1)) process.kill(server, "SIGKILL");
    expect(await label(url)).toBe("star");
    await said.matching(/is running again/);

    const change = (name: string) =>
      fetch(`${url}/demo/regions/westeurope/${name}`, { method: "POST" });
    expect((await change("begin-outage")).status).toBe(200);
    for (let call = 0; call < 5; call += 1) expect(await label(url)).toBe("star");
    expect(await region(url)).toBe("eastus");
    expect((await change("end-outage")).status).toBe(200);
    await expect.poll(() => region(url), { timeout: 10_000 }).toBe("westeurope");

    const again = childrenOf(child.pid);
    const all = [...again, ...again.flatMap(childrenOf), ...decoders];
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const [code] = await ended;
    expect(code).toBe(0);
    await expect.poll(() => all.filter(isAlive)).toEqual([]);
  },
  60_000,
);

test("a demo without a network says once that it knows drawings only", async () => {
  // No proxy listens on this port.
  const offline = {
    NODE_USE_ENV_PROXY: "1",
    HTTPS_PROXY: "http://127.0.0.1:9",
    NO_PROXY: "127.0.0.1",
  };
  const cache = mkdtempSync(join(tmpdir(), "tensorgate-offline-"));
  const { child, said } = tensorgate(
    ["demo", "--port", "0", "--admin-port", "0", "--cache", cache],
    { ...process.env, ...offline },
  );

  await said.matching(
    /efficientnet-lite0 is not available, so the demo knows drawings only: https/,
  );

  const ended = once(child, "exit");
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
  rmSync(cache, { recursive: true });
}, 60_000);

test.runIf(process.platform === "linux")(
  "a demo that is killed takes its model servers along",
  async () => {
    const { child, said } = tensorgate([
      "demo",
      "--port",
      "0",
      "--admin-port",
      "0",
      "--no-imagenet",
    ]);
    await said.matching(/ready: /);
    const servers = childrenOf(child.pid);

    child.kill("SIGKILL");
    await once(child, "exit");

    for (const server of servers) {
      while (isAlive(server)) await new Promise((resolve) => setImmediate(resolve));
    }
  },
  60_000,
);

test("a busy port is explained", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as { readonly port: number };

  const { child, said } = tensorgate([
    "demo",
    "--port",
    String(port),
    "--admin-port",
    "0",
    "--no-imagenet",
  ]);
  const [code] = await once(child, "close");

  expect(code).toBe(1);
  expect(said.text()).toContain(`127.0.0.1:${port} is already in use`);
  expect(said.text()).toContain("--port 0");
  other.close();
}, 60_000);

test.each([
  { args: ["--help"], code: 0, text: "model-server" },
  { args: ["--version"], code: 0, text: version },
  { args: ["dema"], code: 2, text: "Did you mean demo?" },
  { args: ["demo", "--port", "x"], code: 2, text: "port from 0 to 65535" },
  { args: ["serve", "--config", "nowhere.yaml"], code: 1, text: "cannot read nowhere.yaml" },
  { args: ["serve", "--help"], code: 0, text: "--admin-port" },
  { args: ["model-server", "--models", "/nowhere"], code: 1, text: "folder /nowhere not found" },
  { args: ["config", "schema"], code: 0, text: '"pools"' },
])(
  "tensorgate $args ends with $code",
  async ({ args, code, text }) => {
    const { child, said } = tensorgate(args);

    const [exit] = await once(child, "close");

    expect(said.text()).toContain(text);
    expect(exit).toBe(code);
  },
  30_000,
);
