import { createHash } from "node:crypto";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
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

    expect(status?.regions[0]?.isPlugged).toBeUndefined();
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

  test("is told again and again, until the gateway closes", async () => {
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

test("a caller's key shows its models only, and without a key nothing is told", async () => {
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

describe("the demo's plugs", () => {
  test("take a region away and give it back, for callers of the gateway's own origin", async () => {
    const isPlugged = new Map([["westeurope", true]]);
    await using running = await startShapesGateway(
      {},
      {
        plugs: {
          list: () => [...isPlugged].map(([region, plugged]) => ({ region, isPlugged: plugged })),
          unplug: (region) => isPlugged.set(region, false),
          plug: async (region) => void isPlugged.set(region, true),
        },
      },
    );
    const post = (path: string, headers: Record<string, string> = {}) =>
      fetch(`${running.url}/demo/regions/${path}`, { method: "POST", headers });

    expect(await (await post("westeurope/unplug")).json()).toEqual({
      regions: [{ region: "westeurope", isPlugged: false }],
    });
    expect((await post("westeurope/plug", { origin: "https://elsewhere.example" })).status).toBe(
      403,
    );
    expect(isPlugged.get("westeurope")).toBe(false);
    expect((await post("westeurope/plug", { origin: running.url })).status).toBe(200);
    expect(isPlugged.get("westeurope")).toBe(true);
    const client = createClient(
      StatusService,
      createConnectTransport({ baseUrl: running.url, httpVersion: "1.1" }),
    );
    expect((await client.getStatus({})).status?.regions[0]?.isPlugged).toBe(true);
    const unknown = await post("nowhere/unplug");
    expect(unknown.status).toBe(400);
    expect(await unknown.json()).toMatchObject({ hint: "there are westeurope" });
  });

  test("are not there where nobody handed them in", async () => {
    await using running = await startShapesGateway();
    const path = `${running.url}/demo/regions/westeurope/unplug`;
    expect((await fetch(path, { method: "POST" })).status).toBe(404);
  });
});
