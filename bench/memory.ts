// Whether the gateway's resident memory stays flat over many requests, every protocol mixed.
import { readFileSync } from "node:fs";
import http from "node:http";
import { parseArgs } from "node:util";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { startBackend } from "./backend/start-backend.ts";
import { startScript } from "./process.ts";
import type { SubjectOptions } from "./subjects/tensorgate.ts";

const { values: flags } = parseArgs({
  options: { requests: { type: "string", default: "200000" } },
});
const requestCount = Number(flags.requests);
const concurrency = 24;
const sampleCount = 10;

await using backend = await startBackend({ core: 1, addressCount: 1 });
const subject: SubjectOptions = { replicas: [`127.0.0.1:${backend.port}`] };
await using gateway = await startScript("subjects/tensorgate.ts", [JSON.stringify(subject)], 0);
const baseUrl = `http://127.0.0.1:${gateway.port}`;
const picture = readFileSync(new URL("../examples/pictures/star.jpg", import.meta.url));
const agent = new http.Agent({ keepAlive: true, maxSockets: concurrency });

function rest(contentType: string, body: Uint8Array, path = "/v1/classify/bench"): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": contentType, "content-length": body.byteLength };
    const request = http.request(`${baseUrl}${path}`, { method: "POST", agent, headers });
    request.once("error", reject);
    request.once("response", (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode ?? 0));
      response.once("error", reject);
    });
    request.end(body);
  });
}

async function expectStatus(status: number, answer: Promise<number>): Promise<void> {
  const got = await answer;
  if (got !== status) throw new Error(`a call got ${got} in place of ${status}`);
}

function rpc(transport: Transport): () => Promise<void> {
  const client = createClient(ScoringService, transport);
  return async () => {
    await client.classify({
      modelSpec: { name: "bench" },
      pictures: [{ source: { case: "data", value: picture } }],
    });
  };
}

function stream(transport: Transport): () => Promise<void> {
  const client = createClient(ScoringService, transport);
  return async () => {
    async function* pictures() {
      yield {
        modelSpec: { name: "bench" },
        picture: { source: { case: "data" as const, value: picture } },
      };
    }
    for await (const _ of client.classifyStream(pictures())) break;
  };
}

const json = Buffer.from(JSON.stringify({ image: { b64: picture.toString("base64") } }));
const form = Buffer.concat([
  Buffer.from(
    '--boundary\r\ncontent-disposition: form-data; name="a"; filename="a"\r\n\r\n',
    "latin1",
  ),
  picture,
  Buffer.from("\r\n--boundary--\r\n", "latin1"),
]);
const nodeOptions = { agent };

/** One call of each kind, good and bad. */
const kinds: readonly (() => Promise<void>)[] = [
  () => expectStatus(200, rest("image/jpeg", picture)),
  () => expectStatus(200, rest("application/json", json)),
  () => expectStatus(200, rest("multipart/form-data; boundary=boundary", form)),
  () => expectStatus(415, rest("image/jpeg", json)),
  () => expectStatus(404, rest("image/jpeg", picture, "/v1/classify/nothing")),
  rpc(createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions })),
  rpc(createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false })),
  rpc(createGrpcTransport({ baseUrl })),
  rpc(createGrpcWebTransport({ baseUrl, httpVersion: "1.1", nodeOptions })),
  stream(createGrpcTransport({ baseUrl })),
];

let started = 0;
const samples: number[] = [];
async function work(): Promise<void> {
  while (started < requestCount) {
    const kind = kinds[started % kinds.length];
    started += 1;
    if (started % Math.floor(requestCount / sampleCount) === 0) {
      const residentMiB = gateway.residentBytes() / 2 ** 20;
      samples.push(residentMiB);
      process.stdout.write(
        `${String(started).padStart(8)} requests: ${residentMiB.toFixed(0)} MiB\n`,
      );
    }
    await kind?.();
  }
}
const beganMs = performance.now();
await Promise.all(Array.from({ length: concurrency }, work));
const seconds = (performance.now() - beganMs) / 1_000;

// The first fifth fills caches and lets the collector find its pace.
const settled = samples.slice(Math.ceil(sampleCount / 5));
const [first = 0] = settled;
const last = settled.at(-1) ?? 0;
process.stdout.write(
  `${requestCount} requests in ${seconds.toFixed(0)} s; from ${first.toFixed(0)} to ${last.toFixed(0)} MiB\n`,
);
agent.destroy();
if (last > first * 1.25) process.exitCode = 1;
