import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { classScores } from "../support/family-answers.ts";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startGateway } from "../support/running-gateway.ts";

let replica: FakeReplica;
let running: RunningGateway;
let askedCount = 0;

beforeAll(async () => {
  replica = await startFakeReplica({
    answer: () => {
      askedCount += 1;
      return new Map([["scores", classScores(3, { 1: 0.5 })]]);
    },
  });
  const model = {
    name: "m",
    cache: true,
    input: { tensor: "images" },
    output: { scores: { holds: "probabilities" as const } },
  };
  const pools = [{ model: "m", region: "westeurope", replicas: [replica.address] }];
  running = await startGateway({}, { models: [model], pools });
});
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await replica[Symbol.asyncDispose]();
});

async function outcomeOf(name: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${running.url}/v1/classify/m`, {
    method: "POST",
    headers,
    body: samplePicture(name),
  });
  expect(response.status).toBe(200);
  return response.headers.get("server-timing")?.match(/cache;desc=(\w+);dur=/)?.[1];
}

test("Server-Timing says where an answer came from", async () => {
  expect(await outcomeOf("star")).toBe("miss");
  expect(await outcomeOf("star")).toBe("hit");
  expect(askedCount).toBe(1);
  expect(await outcomeOf("star", { "cache-control": "no-cache, No-Store" })).toBeUndefined();
  expect(askedCount).toBe(2);
});

test("an answer to REST is one to Connect too, and no-store is metadata there", async () => {
  await outcomeOf("moon");
  const before = askedCount;
  const transport = createConnectTransport({ baseUrl: running.url, httpVersion: "2" });
  const client = createClient(ScoringService, transport);
  const ask = async (headers: Record<string, string>) => {
    let timing = "";
    const pictures = [{ source: { case: "data" as const, value: samplePicture("moon") } }];
    const { results } = await client.classify(
      { modelSpec: { name: "m" }, pictures },
      { headers, onHeader: (header) => (timing = header.get("server-timing") ?? "") },
    );
    expect(results[0]?.outcome.case).toBe("labels");
    return timing;
  };

  expect(await ask({})).toContain("cache;desc=hit");
  expect(askedCount).toBe(before);
  expect(await ask({ "cache-control": "no-store" })).not.toContain("cache;");
  expect(askedCount).toBe(before + 1);
});

test("the same picture many times in one call is asked for once", async () => {
  const before = askedCount;
  const form = new FormData();
  for (let index = 0; index < 8; index += 1) {
    form.append(`p${index}`, new Blob([samplePicture("heart")]), `p${index}`);
  }

  const response = await fetch(`${running.url}/v1/classify/m`, { method: "POST", body: form });

  const { results } = (await response.json()) as { results: readonly object[] };
  expect(results).toHaveLength(8);
  expect(askedCount).toBe(before + 1);
  expect(response.headers.get("server-timing")).toContain("cache;desc=miss");
});
