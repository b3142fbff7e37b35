import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Tensor, type GatewayStatus } from "@tensorgate/core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { tensorgate } from "../support/command-process.ts";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";

// Each test starts three processes, and some a fourth.
vi.setConfig({ testTimeout: 60_000 });

const scores = new Map([["scores", float32Tensor([1, 2], Float32Array.of(0.25, 0.75))]]);
const star = samplePicture("star");

let replica: FakeReplica;
beforeAll(async () => {
  replica = await startFakeReplica({ answer: () => scores });
});
afterAll(() => replica[Symbol.asyncDispose]());

const configOf = (model: string, pool = "", address = replica.address) => `region: westeurope
models:
  - name: ${model}
    input: { tensor: images, kind: encoded-image }
    output: { scores: { holds: probabilities } }
pools:
  - { model: ${model}, region: westeurope, replicas: ["${address}"]${pool} }
`;

/** `tensorgate serve --workers 2` in its own processes, with a folder for temporary files. */
function serveByTwo(config: string, flags: readonly string[] = ["--port", "0"]) {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-workers-test-"));
  const file = join(folder, "tensorgate.yaml");
  writeFileSync(file, config);
  const args = ["serve", "--config", file, "--admin-port", "0", "--workers", "2", ...flags];
  const { child, said } = tensorgate(args, {
    ...process.env,
    TENSORGATE_LOG_FORMAT: "pretty",
    TMPDIR: folder,
  });
  const ended = once(child, "exit") as Promise<[code: number | null]>;
  return {
    child,
    said,
    ended,
    folder,
    write: (text: string) => writeFileSync(file, text),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGINT");
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

async function started(config: string) {
  const serve = serveByTwo(config);
  const [, url = ""] = await serve.said.matching(/ready: (http:\S+) \(2 workers\)/);
  const [, adminUrl = ""] = await serve.said.matching(/metrics: (http:\S+)\/metrics/);
  return { ...serve, url, adminUrl };
}

/** Classifies over its own connection: connections are distributed among the workers. */
function classify(url: string, model: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { method: "POST", agent: false };
    const request = http.request(`${url}/v1/classify/${model}`, options, (response) => {
      response.resume().once("end", () => resolve(response.statusCode ?? 0));
    });
    request.once("error", reject).end(star);
  });
}

async function classifyTimes(
  count: number,
  url: string,
  model: string,
): Promise<readonly number[]> {
  const statuses: number[] = [];
  while (statuses.length < count) statuses.push(await classify(url, model));
  return statuses;
}

interface WorkersStatus extends GatewayStatus {
  readonly workers: readonly { readonly number: number; readonly pid: number }[];
}

async function statusOf(adminUrl: string): Promise<WorkersStatus> {
  const response = await fetch(`${adminUrl}/status`);
  return (await response.json()) as WorkersStatus;
}

test("workers share the port, and the admin port answers for all of them", async () => {
  await using serve = await started(configOf("m"));
  const count = 40;

  // Connections are distributed by chance: that one worker gets all of them is less likely than 1 in 10^11.
  expect(new Set(await classifyTimes(count, serve.url, "m"))).toEqual(new Set([200]));

  const status = await statusOf(serve.adminUrl);
  expect(status.regions[0]?.pools[0]?.replicas).toMatchObject([
    { answered: count, state: "ready", address: replica.address },
  ]);
  expect(status.workers.map(({ number }) => number)).toEqual([1, 2]);
  const metrics = await (await fetch(`${serve.adminUrl}/metrics`)).text();
  const counted = [...metrics.matchAll(/^tensorgate_calls_total\{worker="(\d)".* (\d+)$/gm)];
  expect(counted.map(([, worker]) => worker)).toEqual(["1", "2"]);
  expect(counted.reduce((sum, [, , calls]) => sum + Number(calls), 0)).toBe(count);
  expect(await (await fetch(`${serve.adminUrl}/rollouts`)).json()).toEqual({ rollouts: [] });
  expect((await fetch(`${serve.adminUrl}/nothing`)).status).toBe(404);
});

test("callers get the status of all workers from any, without addresses", async () => {
  await using serve = await started(configOf("m"));
  await classifyTimes(20, serve.url, "m");

  let answered = 0;
  let text = "";
  while (answered < 20) {
    text = await publicStatus(serve.url);
    answered = Number(/"answered":"?(\d+)/.exec(text)?.[1] ?? 0);
  }

  expect(answered).toBe(20);
  expect(text).not.toContain(replica.address);
});

async function publicStatus(url: string): Promise<string> {
  const response = await fetch(`${url}/tensorgate.v1.StatusService/GetStatus`, {
    method: "POST",
    headers: { "content-type": "application/json", connection: "close" },
    body: "{}",
  });
  return await response.text();
}

test("a worker that dies is replaced, and the port serves meanwhile", async () => {
  await using serve = await started(configOf("m"));
  const [, second] = (await statusOf(serve.adminUrl)).workers;

  process.kill(second?.pid ?? 0, "SIGKILL");
  await serve.said.matching(/worker 2 ended \(SIGKILL\)/);
  expect(await classifyTimes(2, serve.url, "m")).toEqual([200, 200]);
  await serve.said.matching(/worker 2 serves again/);

  expect(await classifyTimes(4, serve.url, "m")).toEqual([200, 200, 200, 200]);
  const { workers } = await statusOf(serve.adminUrl);
  expect(workers.map(({ number }) => number)).toEqual([1, 2]);
  expect(workers[1]?.pid).not.toBe(second?.pid);
});

test("workers share the slots of a device, which never gets more calls than it may", async () => {
  const count = 20;
  await using device = await startFakeReplica();
  await using serve = await started(configOf("m", ", parallelism: 1", device.address));
  const pool = async () => (await statusOf(serve.adminUrl)).regions[0]?.pools[0];
  // Until they have found each other, each sends one at a time.
  let { sharing } = await statusOf(serve.adminUrl);
  while (sharing?.role !== "owner" || sharing.gatewayCount !== 2) {
    ({ sharing } = await statusOf(serve.adminUrl));
  }

  const statuses = Promise.all(Array.from({ length: count }, () => classify(serve.url, "m")));

  // One is worked on, and one may be on its way; all others wait, whichever worker has them.
  while (((await pool())?.waiting ?? 0) < count - 2);
  expect(device.predictCount()).toBeLessThanOrEqual(2);
  for (let answered = 0; answered < count; answered += 1) {
    (await device.nextPredict()).succeed(scores);
  }
  expect(new Set(await statuses)).toEqual(new Set([200]));
  // The one that schedules hears of the last answers a moment later.
  while ((await pool())?.replicas[0]?.answered !== count);
});

test("a reload reaches every worker, and one that is refused reaches none", async () => {
  await using serve = await started(configOf("m"));

  serve.write(configOf("m", ", exclusive: true"));
  await serve.said.matching(/rejected.*pools\[0\]\.exclusive.*serve it with 1 worker/);
  expect(await classifyTimes(2, serve.url, "m")).toEqual([200, 200]);

  serve.write(configOf("renamed"));
  await serve.said.matching(/configuration reloaded/);
  let statuses: readonly number[] = [];
  while (!statuses.every((status) => status === 200) || statuses.length === 0) {
    statuses = await classifyTimes(4, serve.url, "renamed");
  }
  expect(await classifyTimes(2, serve.url, "m")).toEqual([404, 404]);
});

test("a worker that is replaced serves what the others serve, whatever the file has become", async () => {
  await using serve = await started(configOf("m"));
  const [, second] = (await statusOf(serve.adminUrl)).workers;

  serve.write("pools: none");
  await serve.said.matching(/configuration rejected, keeping the previous one/);
  process.kill(second?.pid ?? 0, "SIGKILL");
  await serve.said.matching(/worker 2 serves again/);

  // Connections are distributed by chance: that the new worker gets none of them is less likely than 1 in 10^6.
  expect(new Set(await classifyTimes(20, serve.url, "m"))).toEqual(new Set([200]));
});

test("a stop drains the workers, and leaves no process and no file behind", async () => {
  await using serve = await started(configOf("m"));
  const { workers } = await statusOf(serve.adminUrl);

  serve.child.kill("SIGINT");

  expect(await serve.ended).toEqual([0, null]);
  for (const { pid } of workers) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  expect(readdirSync(serve.folder)).toEqual(["tensorgate.yaml"]);
});

test("workers stop when the process that started them is gone", async () => {
  await using serve = await started(configOf("m"));
  const { workers } = await statusOf(serve.adminUrl);

  serve.child.kill("SIGKILL");
  await serve.ended;

  for (const { pid } of workers) await goneProcess(pid);
});

async function goneProcess(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("the start fails by what several workers cannot serve", async () => {
  await using serve = serveByTwo(configOf("m", ", exclusive: true"));

  expect(await serve.ended).toEqual([1, null]);
  expect(serve.said.text()).toMatch(/pools\[0\]\.exclusive: .*serve it with 1 worker/);
});

test("a port in use is reported once", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  await using serve = serveByTwo(configOf("m"), ["--port", String(port)]);

  expect(await serve.ended).toEqual([1, null]);
  other.close();

  expect(serve.said.text().match(/in use/g)).toHaveLength(1);
  expect(serve.said.text()).not.toMatch(/^ +at /m);
});
