import { createHash } from "node:crypto";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { ScoringClient } from "@tensorgate/client";
import type { GatewayStatus } from "@tensorgate/core";
import { version } from "@tensorgate/gateway";
import { StatusService } from "@tensorgate/proto/tensorgate/v1/status";
import { describe, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { startShapesGateway } from "../support/running-gateway.ts";

const transports: readonly { name: string; open: (baseUrl: string) => Transport }[] = [
  { name: "Connect", open: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }) },
  { name: "gRPC", open: (baseUrl) => createGrpcTransport({ baseUrl }) },
  { name: "gRPC-Web", open: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }) },
];

describe.each(transports)("status over $name", ({ open }) => {
  test("tells regions, pools and replicas, and no address", async () => {
    await using running = await startShapesGateway();
    const client = createClient(StatusService, open(running.url));
    for (let call = 0; call < 3; call += 1) {
      const body = samplePicture("star");
      await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body });
    }

    const { status } = await client.getStatus({});

    expect(status?.regions[0]?.hasOutage).toBeUndefined();
    expect(status).toMatchObject({ region: "westeurope", version });
    expect(status?.regions).toMatchObject([
      {
        name: "westeurope",
        roundTripMs: 0,
        pools: [
          {
            model: "shapes",
            replicas: [
              { id: "westeurope-1", state: "ready", inFlight: 0, answered: 3n, failed: 0n },
            ],
          },
        ],
      },
    ]);
    expect(status?.regions[0]?.pools[0]?.replicas[0]?.latencyMs).toBeGreaterThan(0);
    expect(JSON.stringify(status, (_, value) => String(value))).not.toContain("127.0.0.1");
  });

  test("is sent again and again, until the gateway closes", async () => {
    await using running = await startShapesGateway();
    const client = createClient(StatusService, open(running.url));
    const seen: number[] = [];

    for await (const { status } of client.watchStatus({ intervalMs: 250 })) {
      seen.push(Number(status?.uptimeMs));
      if (seen.length === 2) void running.gateway.close(60_000);
    }

    expect(seen).toHaveLength(2);
    expect((seen[1] ?? 0) - (seen[0] ?? 0)).toBeGreaterThanOrEqual(240);
  });
});

const counted = [
  { name: "eastus", freeCount: 0, totalCount: 2 },
  { name: "westeurope", freeCount: 2, totalCount: 2 },
];
const capacity = {
  devices: [
    { resource: "xilinx.com/fpga", regions: counted },
    { resource: "nvidia.com/gpu", regions: counted.slice(0, 1) },
  ],
  ageMs: 1_500,
};

test("the status has the free devices of the cluster, for a key of a region those of its region", async () => {
  const key = `tg_here_${"s".repeat(43)}`;
  const sha256 = createHash("sha256").update(key).digest("hex");
  const here = { id: "here", sha256, models: ["*"], residency: ["westeurope"] };
  const deps = { joinStatus: (own: GatewayStatus) => ({ ...own, capacity }) };
  await using open = await startShapesGateway({}, deps);
  await using keyed = await startShapesGateway({ keys: [here] }, deps);
  await using client = new ScoringClient({ baseUrl: open.url });
  await using local = new ScoringClient({ baseUrl: keyed.url, apiKey: key });

  expect((await client.status.get()).capacity).toEqual(capacity);
  const [fpga] = capacity.devices;
  expect((await local.status.get()).capacity).toEqual({
    devices: [{ ...fpga, regions: counted.slice(1) }],
    ageMs: 1_500,
  });
});

test("a gateway that counts devices outside of Kubernetes says why it cannot", async () => {
  await using running = await startShapesGateway({
    capacity: { resources: ["xilinx.com/fpga"] },
  });
  await using client = new ScoringClient({ baseUrl: running.url });

  const told = { devices: [], because: "the gateway runs outside of Kubernetes" };
  expect((await client.status.get()).capacity).toEqual(told);
  expect(running.gateway.status().capacity).toEqual(told);
});

test("a caller's key shows its models only, and without a key nothing is shown", async () => {
  const key = `tg_few_${"s".repeat(43)}`;
  const sha256 = createHash("sha256").update(key).digest("hex");
  await using running = await startShapesGateway({ keys: [{ id: "few", sha256, models: ["x"] }] });
  const client = createClient(
    StatusService,
    createConnectTransport({ baseUrl: running.url, httpVersion: "1.1" }),
  );

  const { status } = await client.getStatus({}, { headers: { authorization: `Bearer ${key}` } });
  expect(status?.regions.flatMap(({ pools }) => pools)).toEqual([]);
  await expect(client.getStatus({})).rejects.toThrow("unauthenticated");
  const watching = client.watchStatus({})[Symbol.asyncIterator]();
  await expect(watching.next()).rejects.toThrow("unauthenticated");
});

describe("simulated outages", () => {
  test("are begun and ended, for callers of the gateway's own origin", async () => {
    const outageOf = new Map([["westeurope", false]]);
    await using running = await startShapesGateway(
      {},
      {
        outages: {
          list: () => [...outageOf].map(([region, hasOutage]) => ({ region, hasOutage })),
          begin: (region) => outageOf.set(region, true),
          end: async (region) => void outageOf.set(region, false),
        },
      },
    );
    const post = (path: string, headers: Record<string, string> = {}) =>
      fetch(`${running.url}/demo/regions/${path}`, { method: "POST", headers });

    expect(await (await post("westeurope/begin-outage")).json()).toEqual({
      regions: [{ region: "westeurope", hasOutage: true }],
    });
    expect(
      (await post("westeurope/end-outage", { origin: "https://elsewhere.example" })).status,
    ).toBe(403);
    expect(outageOf.get("westeurope")).toBe(true);
    expect((await post("westeurope/end-outage", { origin: running.url })).status).toBe(200);
    expect(outageOf.get("westeurope")).toBe(false);
    const client = createClient(
      StatusService,
      createConnectTransport({ baseUrl: running.url, httpVersion: "1.1" }),
    );
    expect((await client.getStatus({})).status?.regions[0]?.hasOutage).toBe(false);
    const unknown = await post("nowhere/begin-outage");
    expect(unknown.status).toBe(400);
    expect(await unknown.json()).toMatchObject({ hint: "there are westeurope" });
  });

  test("are known by their names of before, too", async () => {
    let hasOutage = false;
    await using running = await startShapesGateway(
      {},
      {
        outages: {
          list: () => [{ region: "westeurope", hasOutage }],
          begin: () => {
            hasOutage = true;
          },
          end: async () => {
            hasOutage = false;
          },
        },
      },
    );
    const post = (path: string, body?: string) =>
      fetch(running.url + path, {
        method: "POST",
        ...(body && { body, headers: { "content-type": "application/json" } }),
      });
    const status = async () =>
      (await (await post("/tensorgate.v1.StatusService/GetStatus", "{}")).text()).replaceAll(
        " ",
        "",
      );

    expect((await post("/demo/regions/westeurope/unplug")).status).toBe(200);
    expect(await status()).toContain('"isPlugged":false,"hasOutage":true');
    expect((await post("/demo/regions/westeurope/plug")).status).toBe(200);
    expect(await status()).toContain('"isPlugged":true,"hasOutage":false');
  });

  test("are not there where the program passes none", async () => {
    await using running = await startShapesGateway();
    const path = `${running.url}/demo/regions/westeurope/begin-outage`;
    expect((await fetch(path, { method: "POST" })).status).toBe(404);
  });
});
