import { createHash } from "node:crypto";
import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import type { RoutingStep } from "@tensorgate/core";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { describe, expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { addressOfNobody } from "../support/no-one.ts";
import { samplePicture } from "../support/pictures.ts";
import { openGateway, startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const star = samplePicture("star");
const traced = { "x-tensorgate-trace": "1" };

const post = (url: string, headers: Record<string, string> = traced) =>
  fetch(`${url}/v1/classify/shapes`, { method: "POST", body: star, headers });

const stepsIn = (text: string | null | undefined) =>
  (JSON.parse(text ?? "null") as readonly RoutingStep[]).map(({ step }) => step);
const stepsOf = ({ headers }: Response) => stepsIn(headers.get("x-tensorgate-trace"));

const pictures = (count: number) => ({
  modelSpec: { name: "shapes" },
  pictures: Array.from({ length: count }, () => ({
    source: { case: "data" as const, value: star },
  })),
});

/** A gateway whose own region has one replica that fails, and eastus one that answers. */
async function startWithFailure() {
  const failing = await startFakeReplica({ answer: () => ({ code: 14, message: "broken" }) });
  const good = await startFakeReplica({ answer: shapesOutputs });
  const running = await startGateway({ westeurope: [failing.address], eastus: [good.address] });
  return {
    ...running,
    failing,
    good,
    [Symbol.asyncDispose]: async () => {
      await running.gateway.close(1_000);
      await Promise.all([failing[Symbol.asyncDispose](), good[Symbol.asyncDispose]()]);
    },
  };
}

/** What `startWithFailure` does with a call. */
const expectedSteps = [
  {
    what: "regions",
    considered: [
      {
        region: "westeurope",
        roundTripMs: 0,
        expectedWaitMs: 0,
        costMs: 0,
        isChosen: true,
      },
      { region: "eastus", costMs: expect.any(Number), isChosen: false },
    ],
  },
  { what: "waits", region: "westeurope", position: 1 },
  { what: "sent", region: "westeurope", replicaId: "westeurope-1", isHedge: false },
  { what: "failed", region: "westeurope", replicaId: "westeurope-1", because: "failed" },
  {
    what: "regions",
    considered: [
      { region: "westeurope", leftOut: "no replica available", isChosen: false },
      { region: "eastus", isChosen: true },
    ],
  },
  { what: "waits", region: "eastus", position: 1 },
  { what: "sent", region: "eastus", replicaId: "eastus-1", isHedge: false },
  { what: "answered", region: "eastus", replicaId: "eastus-1" },
];

test("a trace by REST tells regions with their costs, waits, and every attempt", async () => {
  await using running = await startWithFailure();

  const response = await post(running.url);

  expect(response.status).toBe(200);
  expect(stepsOf(response)).toMatchObject(expectedSteps);
});

const transports: readonly { name: string; open: (baseUrl: string) => Transport }[] = [
  { name: "Connect", open: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }) },
  { name: "gRPC", open: (baseUrl) => createGrpcTransport({ baseUrl }) },
  { name: "gRPC-Web", open: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }) },
];

describe.each(transports)("a trace by $name", ({ open }) => {
  test("tells the same as metadata", async () => {
    await using running = await startWithFailure();
    let text: string | null = null;

    await createClient(ScoringService, open(running.url)).classify(pictures(1), {
      headers: traced,
      onHeader: (headers) => {
        text = headers.get("x-tensorgate-trace");
      },
    });

    expect(stepsIn(text)).toMatchObject(expectedSteps);
  });

  test("is written for a call that fails, too", async () => {
    await using replica = await startFakeReplica({
      answer: () => ({ code: 14, message: "broken" }),
    });
    await using running = await startGateway({ westeurope: [replica.address] });
    const client = createClient(ScoringService, open(running.url));
    const predict = { modelSpec: { name: "shapes" }, inputs: {} };

    const thrown = await client.predict(predict, { headers: traced }).catch(ConnectError.from);

    expect(thrown).toBeInstanceOf(ConnectError);
    const { metadata } = thrown as ConnectError;
    expect(stepsIn(metadata.get("x-tensorgate-trace")).map(({ what }) => what)).toEqual([
      ...["regions", "waits", "sent", "failed", "regions", "refused"],
    ]);
  });
});

test("without the header nothing is written, whatever happens", async () => {
  await using running = await startWithFailure();

  for (const headers of [{}, { "x-tensorgate-trace": "0" }]) {
    const response = await post(running.url, headers as Record<string, string>);
    expect(response.headers.get("x-tensorgate-trace")).toBeNull();
  }
  const refused = await post(running.url, { "x-tensorgate-residency": "nowhere" });
  expect(refused.status).toBe(403);
  expect(refused.headers.get("x-tensorgate-trace")).toBeNull();
});

test.each([
  {
    name: "residency leaves no region",
    headers: { "x-tensorgate-residency": "nowhere" },
    status: 403,
    steps: [
      { what: "regions", considered: [] },
      { what: "refused", because: "residency" },
    ],
  },
  {
    name: "the one region that is allowed is out",
    headers: { "x-tensorgate-residency": "eastus" },
    status: 503,
    steps: [
      {
        what: "regions",
        considered: [{ region: "eastus", leftOut: "no replica available", isChosen: false }],
      },
      { what: "refused", because: "no-replica" },
    ],
  },
])("a trace tells why a call is refused: $name", async ({ headers, status, steps }) => {
  await using replica = await startFakeReplica({ answer: shapesOutputs });
  const nobody = await addressOfNobody();
  const pools = [
    { model: "shapes", region: "westeurope", replicas: [replica.address] },
    { model: "shapes", region: "eastus", replicas: [nobody] },
  ];
  await using running = await openGateway({ pools });
  await expect.poll(async () => (await post(running.url, headers)).status).toBe(status);

  expect(stepsOf(await post(running.url, { ...traced, ...headers }))).toMatchObject(steps);
});

test("a trace is written for a call whose deadline passes while a replica works", async () => {
  await using replica = await startFakeReplica();
  await using running = await startGateway({ westeurope: [replica.address] });

  const response = await post(running.url, { ...traced, "x-tensorgate-timeout-ms": "100" });

  expect(response.status).toBe(504);
  expect(stepsOf(response).map(({ what }) => what)).toEqual(["regions", "waits", "sent"]);
});

test("only keys that may see addresses get them", async () => {
  const keyOf = (id: string) => `tg_${id}_${"s".repeat(43)}`;
  const entry = (id: string, seesAddresses: boolean) => ({
    id,
    models: ["*"],
    seesAddresses,
    sha256: createHash("sha256").update(keyOf(id)).digest("hex"),
  });
  const keys = [entry("operator", true), entry("app", false)];
  await using replica = await startFakeReplica({ answer: shapesOutputs });
  await using running = await startGateway({ westeurope: [replica.address] }, { keys });
  const traceFor = async (id: string) => {
    const response = await post(running.url, { ...traced, "x-api-key": keyOf(id) });
    return response.headers.get("x-tensorgate-trace");
  };

  expect(await traceFor("operator")).toContain(`westeurope-1 (${replica.address})`);
  const ofApp = await traceFor("app");
  expect(ofApp).toContain('"westeurope-1"');
  expect(ofApp).not.toContain("127.0.0.1");
});

test("a trace of many pictures is cut where it gets too long, and says by how much", async () => {
  await using replica = await startFakeReplica({ answer: shapesOutputs });
  await using running = await startGateway({ westeurope: [replica.address] });
  let text = "";

  const client = createClient(ScoringService, createGrpcTransport({ baseUrl: running.url }));
  const { results } = await client.classify(pictures(64), {
    headers: traced,
    onHeader: (headers) => {
      text = headers.get("x-tensorgate-trace") ?? "";
    },
  });

  expect(results).toHaveLength(64);
  expect(text.length).toBeLessThan(6_100);
  const steps = JSON.parse(text) as readonly object[];
  const { stepsLeftOut } = steps.at(-1) as { readonly stepsLeftOut: number };
  expect(steps.length - 1 + stepsLeftOut).toBe(4 * 64);
});

test("a trace is ASCII whatever a region is called", async () => {
  await using replica = await startFakeReplica({ answer: shapesOutputs });
  await using running = await startGateway({ "zürich-東": [replica.address] });

  const response = await post(running.url);

  expect(response.status).toBe(200);
  expect(response.headers.get("x-tensorgate-trace")).toMatch(/^[\x20-\x7e]+$/);
  expect(stepsOf(response).at(-1)).toMatchObject({ what: "answered", region: "zürich-東" });
});
