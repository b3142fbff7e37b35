import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Tensor } from "@tensorgate/core";
import { createGateway } from "@tensorgate/gateway";
import { bundledModelsDirectory, startModelServer } from "@tensorgate/model-server";
import { expect, onTestFinished, test } from "vitest";
import { tensorgate } from "../support/command-process.ts";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";

const scores = new Map([["scores", float32Tensor([1, 2], Float32Array.of(0.25, 0.75))]]);

/** A replica that counts what it answers. */
async function startReplica() {
  let answered = 0;
  const replica = await startFakeReplica({
    answer: () => {
      answered += 1;
      return scores;
    },
  });
  return { ...replica, answeredCount: () => answered };
}

type Addresses = Readonly<Record<string, readonly string[]>>;

const configOf = (pools: Addresses, model = "m") =>
  [
    "region: westeurope",
    "models:",
    `  - name: ${model}`,
    "    input: { tensor: images, kind: encoded-image }",
    "    output: { scores: { holds: probabilities } }",
    "pools:",
    ...Object.entries(pools).map(
      ([region, replicas]) =>
        `  - { model: ${model}, region: ${region}, replicas: ${JSON.stringify(replicas)} }`,
    ),
    "",
  ].join("\n");

/** `tensorgate serve` in its own process; disposing of it ends it. */
async function startServe(config: string, flags: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-reload-"));
  const file = join(folder, "tensorgate.yaml");
  writeFileSync(file, config);
  const ports = ["--port", "0", "--admin-port", "0"];
  const { child, said } = tensorgate(["serve", "--config", file, ...ports, ...flags], {
    ...process.env,
    TENSORGATE_LOG_FORMAT: "pretty",
  });
  const [, url = ""] = await said.matching(/ready: (http:\S+)/);
  const [, adminUrl = ""] = await said.matching(/metrics: (http:\S+)\/metrics/);
  return {
    child,
    said,
    url,
    adminUrl,
    file,
    /** As editors do it: another file takes the place of the old one. */
    replace: (text: string) => {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    },
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      // As a person stops it: no load balancer has to notice first.
      child.kill("SIGINT");
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

const star = samplePicture("star");

async function classify(url: string, model = "m"): Promise<string> {
  const response = await fetch(`${url}/v1/classify/${model}`, { method: "POST", body: star });
  const text = await response.text();
  return response.ok ? "ok" : `${response.status} ${text}`;
}

/** Calls again and again, several at a time, until it is stopped; gives all that failed. */
function steadyCalls(url: string) {
  const failures: string[] = [];
  let count = 0;
  let isStopped = false;
  const callers = Array.from({ length: 8 }, async () => {
    while (!isStopped) {
      const outcome = await classify(url).catch(String);
      count += 1;
      if (outcome !== "ok") failures.push(outcome);
    }
  });
  return {
    count: () => count,
    stop: async () => {
      isStopped = true;
      await Promise.all(callers);
      return failures;
    },
  };
}

const atLeast = (least: number, count: () => number) =>
  expect.poll(count, { interval: 5, timeout: 10_000 }).toBeGreaterThanOrEqual(least);

test("all replicas are exchanged and a region is added while calls go on, and none fails", async () => {
  await using a = await startReplica();
  await using b = await startReplica();
  await using c = await startReplica();
  await using d = await startReplica();
  await using far = await startReplica();
  await using serve = await startServe(configOf({ westeurope: [a.address, b.address] }));
  const calls = steadyCalls(serve.url);
  await atLeast(50, () => a.answeredCount() + b.answeredCount());

  serve.replace(configOf({ westeurope: [c.address, d.address], eastus: [far.address] }));
  await serve.said.matching(/: pool m in westeurope changed, pool m in eastus added\n/);
  await atLeast(50, () => c.answeredCount() + d.answeredCount());
  await a[Symbol.asyncDispose]();
  await b[Symbol.asyncDispose]();
  const before = calls.count();
  await atLeast(before + 50, calls.count);

  expect(await calls.stop()).toEqual([]);
  const status = (await (await fetch(`${serve.adminUrl}/status`)).json()) as {
    regions: { name: string; pools: { replicas: { address: string; id: string }[] }[] }[];
  };
  const addresses = status.regions.map(({ name, pools }) => [
    name,
    ...pools.flatMap(({ replicas }) => replicas.map(({ address }) => address)),
  ]);
  expect(addresses).toEqual([
    ["westeurope", c.address, d.address],
    ["eastus", far.address],
  ]);
  expect(serve.said.text()).toMatch(/westeurope-3 \([^)]+\) of m: warming → ready/);
}, 60_000);

test("a bad configuration leaves the old one in force, and every fault of it is reported", async () => {
  await using replica = await startReplica();
  const good = configOf({ westeurope: [replica.address] });
  await using serve = await startServe(good);

  serve.replace(`${good.replace("kind: encoded-image", "kind: sound")}listen: { prot: 1 }\n`);
  const [said] = await serve.said.matching(
    /warn: configuration rejected, keeping the previous one: \S+ has 2 faults:(\n {2}line \d+, .*){2}/,
  );

  expect(said).toMatch(/line 4, models\[0\]\.input\.kind: /);
  expect(said).toMatch(/line 8, listen\.prot: unknown setting/);
  expect(await classify(serve.url)).toBe("ok");

  serve.replace(configOf({ westeurope: [replica.address] }, "other"));
  await serve.said.matching(/: model m removed, model other added, /);
  await expect.poll(() => classify(serve.url, "other")).toBe("ok");
  expect(await classify(serve.url)).toContain("unknown-model");
}, 60_000);

test("without watching, SIGHUP makes a changed configuration count", async () => {
  await using replica = await startReplica();
  const config = configOf({ westeurope: [replica.address] });
  await using serve = await startServe(config, ["--no-watch"]);

  serve.replace(`${config}routing: { maxAttempts: 2 }\n`);
  serve.child.kill("SIGHUP");

  await serve.said.matching(/: no model, pool or key changed\n/);
  await serve.said.matching(/warn: restart to apply the changes of routing in \S+\n/);
  expect(await classify(serve.url)).toBe("ok");
}, 60_000);

test("a pipe without a writer instead of the configuration stops nothing", async () => {
  await using replica = await startReplica();
  await using serve = await startServe(configOf({ westeurope: [replica.address] }), ["--no-watch"]);

  rmSync(serve.file);
  execFileSync("mkfifo", [serve.file]);
  serve.child.kill("SIGHUP");

  await serve.said.matching(/keeping the previous one: cannot read \S+: \S+ is not a regular file/);
  expect(await classify(serve.url)).toBe("ok");
}, 60_000);

test("a reload that would leave the bound address open is rejected whole", async () => {
  await using a = await startReplica();
  await using b = await startReplica();
  const key = `tg_app_${"s".repeat(43)}`;
  const sha256 = createHash("sha256").update(key).digest("hex");
  const access = `listen: { host: 0.0.0.0 }\nkeys: [{ id: app, sha256: ${sha256}, models: ["*"] }]\n`;
  await using serve = await startServe(configOf({ westeurope: [a.address] }) + access, [
    "--no-watch",
  ]);
  const url = serve.url.replace("0.0.0.0", "127.0.0.1");

  serve.replace(`${configOf({ westeurope: [b.address] })}listen: { host: 127.0.0.1 }\n`);
  serve.child.kill("SIGHUP");
  await serve.said.matching(/keeping the previous one: [^\n]*\n {2}keys: 0\.0\.0\.0 stays/);

  expect(await classify(url)).toContain("unauthenticated");
  const headers = { authorization: `Bearer ${key}` };
  const answer = await fetch(`${url}/v1/classify/m`, { method: "POST", body: star, headers });
  expect(answer.status).toBe(200);
  expect(b.answeredCount()).toBe(0);
}, 60_000);

const bound = { keys: [{ id: "app", sha256: "0".repeat(64), models: ["*"] }] };

test.each([
  {
    name: "an address that counts from the next start",
    initial: { ...bound, listen: { host: "0.0.0.0" } },
    first: { ...bound, listen: { host: "127.0.0.1" } },
    second: { listen: { host: "127.0.0.1" } },
    fault: /0\.0\.0\.0 stays bound/,
  },
  {
    name: "keys that came by a reload",
    initial: {},
    first: bound,
    second: { crossSite: { origins: ["https://app.example"] } },
    fault: /the keys would be removed now/,
  },
])("a second reload is judged by what is in force after the first: $name", async (reloads) => {
  const { initial, first, second, fault } = reloads;
  const pools = [{ model: "m", region: "local", replicas: ["127.0.0.1:9"] }];
  const gateway = createGateway({ pools, ...initial });
  onTestFinished(() => gateway.close(0));

  gateway.reload({ pools, ...first });

  expect(() => gateway.reload({ pools, ...second })).toThrow(fault);
});

test("a model that the configuration only names has the labels of its model server, once that runs", async () => {
  const models = { directory: bundledModelsDirectory };
  const first = await startModelServer({ port: 0, models });
  const { port } = first;
  await first.close(0);
  const pool = { model: "shapes", region: "westeurope", replicas: [`127.0.0.1:${port}`] };
  // Nothing answers at the start.
  await using serve = await startServe(JSON.stringify({ region: "westeurope", pools: [pool] }));
  const server = await startModelServer({ port, models });
  await serve.said.matching(/model shapes is described by its server: 16 labels/);

  await using again = await startServe(JSON.stringify({ region: "westeurope", pools: [pool] }));
  const classified = async ({ url }: { readonly url: string }) => {
    const body = new Uint8Array(samplePicture("star"));
    const response = await fetch(`${url}/v1/classify/shapes?topK=1`, { method: "POST", body });
    return response.json();
  };

  for (const each of [serve, again]) {
    await expect
      .poll(() => classified(each), { timeout: 20_000 })
      .toMatchObject({ results: [{ labels: [{ label: "star" }] }] });
  }
  await server.close(0);
}, 60_000);
