import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { manualClock } from "@tensorgate/core/testing";
import { expect, onTestFinished, test } from "vitest";
import { startAdminServer } from "../../telemetry/admin-server.ts";
import { forwardToWorker, tellStatuses } from "./worker-admin.ts";
import type { ServingWorker } from "./worker-pool.ts";

/** Starts the admin port of a worker. */
async function adminOf(answer: http.RequestListener): Promise<ServingWorker> {
  const server = http.createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: "", port: 0, adminUrl: `http://127.0.0.1:${port}`, number: 1, pid: undefined };
}

/** Starts the admin port of all, which forwards to that worker. */
async function forwardingTo(worker: ServingWorker): Promise<string> {
  const forward = forwardToWorker.bind(undefined, { serving: () => [worker] });
  const { url, close } = await startAdminServer({ host: "127.0.0.1", port: 0 }, [], forward);
  onTestFinished(close);
  return url;
}

const json = { "content-type": "application/json" };

test("a request and its answer are passed on", async () => {
  const worker = await adminOf((request, response) => {
    response.writeHead(201, { "x-path": request.url });
    request.pipe(response);
  });
  const url = await forwardingTo(worker);

  const answer = await fetch(`${url}/rollouts/m/start`, {
    method: "POST",
    headers: json,
    body: "plan",
  });

  expect([answer.status, answer.headers.get("x-path")]).toEqual([201, "/rollouts/m/start"]);
  expect(await answer.text()).toBe("plan");
});

test.each([
  {
    way: "resets its connection",
    answer: (request: http.IncomingMessage) => void request.socket.resetAndDestroy(),
    method: "GET",
  },
  {
    way: "ends while the request is sent",
    answer: (request: http.IncomingMessage) =>
      void request.once("data", () => request.socket.destroy()),
    method: "POST",
  },
])("a worker that $way is reported, and ends nothing else", async ({ answer, method }) => {
  const worker = await adminOf(answer);
  const url = await forwardingTo(worker);

  const body = method === "POST" ? { headers: json, body: "x".repeat(1_000_000) } : {};
  const response = await fetch(`${url}/rollouts`, { method, ...body });

  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({
    error: expect.stringMatching(/^worker 1 gave no answer: .*; ask again$/),
  });
});

test("a client that leaves in the middle of its request ends nothing", async () => {
  const begun = Promise.withResolvers<http.IncomingMessage>();
  const worker = await adminOf((request, response) => {
    if (request.method === "GET") response.end("[]");
    else begun.resolve(request);
  });
  const url = await forwardingTo(worker);
  const request = http.request(`${url}/rollouts/m/start`, { method: "POST", headers: json });
  request.on("error", () => {});
  request.write("{");
  const forwarded = await begun.promise;

  request.destroy();
  await new Promise((resolve) => forwarded.on("error", () => {}).once("close", resolve));

  expect((await fetch(`${url}/rollouts`)).status).toBe(200);
});

test("a worker that lets ten questions pass is killed, once; one that answers in between is not", async () => {
  const silent = await adminOf(() => {});
  let questionCount = 0;
  const slow = await adminOf((_request, response) => {
    questionCount += 1;
    if (questionCount % 10 === 0) response.end(JSON.stringify({ log: {} }));
  });
  const killed: number[] = [];
  const clock = manualClock();
  using _telling = tellStatuses(
    {
      serving: () => [silent, { ...slow, number: 2 }],
      tell: () => {},
      kill: (number) => void killed.push(number),
    },
    clock,
  );

  for (let round = 1; round <= 25; round += 1) {
    clock.advance(1_000);
    while (questionCount < round) await new Promise((resolve) => setImmediate(resolve));
    if (round === 9) expect(killed).toEqual([]);
    clock.advance(2_000);
    await new Promise((resolve) => setImmediate(resolve));
  }

  expect(killed).toEqual([1]);
});
