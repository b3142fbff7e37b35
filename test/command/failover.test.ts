import { ScoringClient } from "@tensorgate/client";
import { expect, test } from "vitest";
import { startModelServerProcess } from "../support/model-server-process.ts";
import { samplePicture } from "../support/pictures.ts";
import { startGateway } from "../support/running-gateway.ts";

const star = samplePicture("star");

async function classify(
  url: string,
): Promise<{ readonly status: number; readonly region: string }> {
  const response = await fetch(`${url}/v1/classify/shapes`, { method: "POST", body: star });
  await response.arrayBuffer();
  return {
    status: response.status,
    region: response.headers.get("x-tensorgate-region") ?? "",
  };
}

test("a stream of calls of a client sees no error when its region dies, over either transport", async () => {
  await using near = await startModelServerProcess();
  await using far = await startModelServerProcess();
  await using running = await startGateway({ westeurope: [near.address], eastus: [far.address] });
  let sent = 0;
  function* pictures() {
    for (let index = 0; index < 150; index += 1) {
      sent += 1;
      if (sent === 100) near.process.kill("SIGKILL");
      yield star;
    }
  }
  async function regionsOver(transport: "connect" | "grpc") {
    await using client = new ScoringClient({ baseUrl: running.url, transport });
    const regions: (string | undefined)[] = [];
    for await (const outcome of client.classifyAll("shapes", pictures(), { concurrency: 8 })) {
      if (!outcome.ok) throw outcome.error;
      regions.push(outcome.value.meta.region);
    }
    return regions;
  }

  const [connect, grpc] = await Promise.all([regionsOver("connect"), regionsOver("grpc")]);

  for (const regions of [connect, grpc]) {
    expect(regions).toHaveLength(150);
    expect(new Set(regions)).toEqual(new Set(["westeurope", "eastus"]));
  }
}, 60_000);

test("killing a region's only model server under 500 requests fails none of them", async () => {
  await using near = await startModelServerProcess();
  await using far = await startModelServerProcess();
  await using running = await startGateway({
    westeurope: [near.address],
    eastus: [far.address],
  });
  let sent = 0;
  const answers: { readonly status: number; readonly region: string }[] = [];

  const caller = async () => {
    while (sent < 500) {
      sent += 1;
      if (sent === 150) near.process.kill("SIGKILL");
      answers.push(await classify(running.url));
    }
  };
  await Promise.all(Array.from({ length: 16 }, caller));

  expect(answers).toHaveLength(500);
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(new Set(answers.map(({ region }) => region))).toEqual(new Set(["westeurope", "eastus"]));
}, 60_000);

test("calls stay in the nearest region while it can serve, unless the caller wishes otherwise", async () => {
  await using near = await startModelServerProcess();
  await using far = await startModelServerProcess();
  await using running = await startGateway({
    eastus: [far.address],
    westeurope: [near.address],
  });
  const regionOf = async (headers: Record<string, string>) => {
    const url = `${running.url}/v1/classify/shapes`;
    const response = await fetch(url, { method: "POST", body: star, headers });
    return response.headers.get("x-tensorgate-region") ?? String(response.status);
  };

  expect(await regionOf({})).toBe("westeurope");
  expect(await regionOf({ "x-tensorgate-region": "eastus" })).toBe("eastus");
  expect(await regionOf({ "x-tensorgate-residency": "eastus" })).toBe("eastus");
  expect(await regionOf({ "x-tensorgate-residency": "westus2" })).toBe("403");
}, 60_000);

test("a gateway without a replica in reach says so immediately, and when to retry", async () => {
  await using near = await startModelServerProcess();
  await using running = await startGateway({ westeurope: [near.address] });
  const ended = new Promise((resolve) => near.process.once("exit", resolve));
  near.process.kill("SIGKILL");
  await ended;

  const first = await classify(running.url);
  const response = await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body: star });

  expect([502, 503]).toContain(first.status);
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
  expect(await response.json()).toMatchObject({ reason: "no-replica" });
  expect((await fetch(`${running.url}/readyz`)).status).toBe(503);
  expect((await fetch(`${running.url}/livez`)).status).toBe(200);
}, 60_000);
