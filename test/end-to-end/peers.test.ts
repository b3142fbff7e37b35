import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { describe, expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { addressOfNobody } from "../support/no-one.ts";
import {
  enteredBy,
  servedBy,
  startAnswering,
  startEast,
  startFull,
  startWest,
} from "../support/peer-gateways.ts";
import { samplePicture } from "../support/pictures.ts";
import { replicaChanges } from "../support/replica-changes.ts";
import { openGateway, startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";
import { fillSlots } from "../support/waiting.ts";

const star = samplePicture("star");
const picture = {
  modelSpec: { name: "shapes" },
  pictures: [{ source: { case: "data" as const, value: star } }],
};

const post = (url: string, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/classify/shapes`, { method: "POST", body: star, headers });

describe("a region that is entered by its gateway", () => {
  const transports: readonly { name: string; open: (baseUrl: string) => Transport }[] = [
    { name: "Connect", open: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }) },
    { name: "gRPC", open: (baseUrl) => createGrpcTransport({ baseUrl }) },
  ];

  test("answers a call by REST, which keeps its id and deadline on the way", async () => {
    await using replica = await startFakeReplica();
    await using east = await startEast(replica.address);
    await using west = await startWest({ eastus: east.url });

    const answer = post(west.url, { "x-request-id": "abc", "x-tensorgate-timeout-ms": "5000" });
    const call = await replica.nextPredict();
    call.succeed(shapesOutputs());
    const response = await answer;

    expect(call.headers["x-request-id"]).toBe("abc");
    const timeoutMs = Number(String(call.headers["grpc-timeout"]).replace("m", ""));
    expect(timeoutMs).toBeGreaterThan(0);
    expect(timeoutMs).toBeLessThanOrEqual(5_000);
    expect(response.status).toBe(200);
    expect(response.headers.get("x-request-id")).toBe("abc");
    expect(response.headers.get("x-tensorgate-region")).toBe("eastus");
    expect(await response.json()).toMatchObject({ region: "eastus" });
  });

  test.each(transports)("answers a call by $name, which keeps its id", async ({ open }) => {
    await using replica = await startFakeReplica();
    await using east = await startEast(replica.address);
    await using west = await startWest({ eastus: east.url });
    let region: string | null = null;

    const answer = createClient(ScoringService, open(west.url)).classify(picture, {
      headers: { "x-request-id": "abc" },
      onHeader: (headers) => {
        region = headers.get("x-tensorgate-region");
      },
    });
    const call = await replica.nextPredict();
    call.succeed(shapesOutputs());

    expect(await answer).toMatchObject({ region: "eastus" });
    expect(region).toBe("eastus");
    expect(call.headers["x-request-id"]).toBe("abc");
  });

  test("gets the deadline of a call, which ends it there and here", async () => {
    await using replica = await startFakeReplica();
    await using east = await startEast(replica.address);
    await using west = await startWest({ eastus: east.url });

    const answer = post(west.url, { "x-tensorgate-timeout-ms": "300" });
    const { stream } = await replica.nextPredict();
    const closed = new Promise((resolve) => stream.once("close", resolve));

    expect((await answer).status).toBe(504);
    await closed;
    expect(west.changes.statesOf("eastus-1")).toEqual(["ready"]);
  });

  test("passes on the errors that a replica finds in the request", async () => {
    await using replica = await startFakeReplica();
    await using east = await startEast(replica.address);
    await using west = await startWest({ eastus: east.url });

    const answer = post(west.url);
    (await replica.nextPredict()).answer(3, "input images: not a picture");

    const response = await answer;
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ detail: "input images: not a picture" });
  });

  test("is asked for nothing by a call whose residency leaves it out", async () => {
    await using replica = await startAnswering();
    await using east = await startEast(replica.address);
    await using west = await startWest({ eastus: east.url });

    const residency = (regions: string) => post(west.url, { "x-tensorgate-residency": regions });

    expect((await residency("westeurope")).status).toBe(503);
    expect((await residency("westus2")).status).toBe(403);
    expect((await residency("westeurope, eastus")).headers.get("x-tensorgate-region")).toBe(
      "eastus",
    );
  });
});

describe("a gateway between two others", () => {
  test("sends nothing on to a third, and refuses what came through more than one", async () => {
    await using replica = await startFakeReplica();
    await using far = await startGateway({ westus2: [replica.address] }, { region: "westus2" });
    const changes = replicaChanges();
    const { onReplica } = changes;
    await using east = await openGateway(
      {
        region: "eastus",
        pools: [servedBy("eastus", await addressOfNobody()), enteredBy("westus2", far.url)],
      },
      { onReplica },
    );
    await changes.until("westus2-1", "ready");

    const once = await post(east.url, { "x-tensorgate-hops": "1" });
    const twice = await post(east.url, { "x-tensorgate-hops": "2" });

    expect(once.status).toBe(503);
    expect(await once.json()).toMatchObject({ reason: "no-replica" });
    expect(twice.status).toBe(400);
    expect(await twice.json()).toMatchObject({
      reason: "invalid-request",
      field: "x-tensorgate-hops",
    });
    expect(replica.predictCount()).toBe(0);
    // The same call of somebody else does go there.
    const direct = post(east.url);
    (await replica.nextPredict()).succeed(shapesOutputs());
    expect((await direct).headers.get("x-tensorgate-region")).toBe("westus2");
  });

  test("that enters the one it is entered by sends nothing back", async () => {
    await using replica = await startAnswering();
    const eastPort = Number((await addressOfNobody()).split(":")[1]);
    const eastUrl = `http://127.0.0.1:${eastPort}`;
    await using west = await openGateway({
      pools: [servedBy("westeurope", replica.address), enteredBy("eastus", eastUrl)],
    });
    const changes = replicaChanges();
    const { onReplica } = changes;
    await using east = await openGateway(
      {
        region: "eastus",
        listen: { port: eastPort },
        pools: [servedBy("eastus", await addressOfNobody()), enteredBy("westeurope", west.url)],
      },
      { onReplica },
    );
    await changes.until("westeurope-1", "ready");

    const served = await post(east.url);
    const refused = await post(west.url, { "x-tensorgate-residency": "eastus" });

    expect(served.headers.get("x-tensorgate-region")).toBe("westeurope");
    expect(refused.status).toBe(503);
  });
});

describe("a region whose gateway has no room", () => {
  test("is reported to the caller as overloaded, with a time to retry", async () => {
    await using replica = await startFull();
    await using east = await startEast(replica.address);
    await using west = await startWest({ eastus: east.url });

    const response = await post(west.url);

    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ reason: "overloaded" });
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(west.changes.statesOf("eastus-1")).toEqual(["ready"]);
  });

  test("is left for another region, by the call that found out and by those that wait", async () => {
    await using full = await startFakeReplica();
    await using other = await startAnswering();
    await using east = await startEast(full.address);
    await using far = await startGateway({ westus2: [other.address] }, { region: "westus2" });
    await using west = await startWest({ eastus: east.url, westus2: far.url });

    const answer = post(west.url, { "x-tensorgate-region": "eastus" });
    (await full.nextPredict()).answer(8, "no room");

    expect((await answer).headers.get("x-tensorgate-region")).toBe("westus2");
    expect((await post(west.url)).headers.get("x-tensorgate-region")).toBe("westus2");
    expect(west.changes.statesOf("eastus-1")).toEqual(["ready"]);
  });

  test("refuses what is more than may wait there, and is left for that", async () => {
    await using busy = await startFakeReplica();
    await using other = await startAnswering();
    const pools = [{ ...servedBy("eastus", busy.address), parallelism: 1 }];
    const routing = { maxWaiting: 1, pacing: false, probeIntervalMs: 600_000 };
    await using east = await startEast(busy.address, { pools, routing });
    await using far = await startGateway({ westus2: [other.address] }, { region: "westus2" });
    await using west = await startWest({ eastus: east.url, westus2: far.url });
    const { answers } = await fillSlots(east.url, busy, {
      send: () => post(east.url),
      region: "eastus",
    });

    const answer = await post(west.url, { "x-tensorgate-region": "eastus" });

    expect(answer.headers.get("x-tensorgate-region")).toBe("westus2");
    for (const held of answers) {
      (await busy.nextPredict()).succeed(shapesOutputs());
      expect((await held).status).toBe(200);
    }
  });
});

test("a gateway that is gone is left for another region, and entered again when it is back", async () => {
  await using near = await startAnswering();
  await using other = await startAnswering();
  const first = await startEast(near.address);
  await using far = await startGateway({ westus2: [other.address] }, { region: "westus2" });
  await using west = await startWest({ eastus: first.url, westus2: far.url });
  const wish = { "x-tensorgate-region": "eastus" };
  const regionNow = async () => (await post(west.url, wish)).headers.get("x-tensorgate-region");
  expect(await regionNow()).toBe("eastus");

  await first.gateway.close(0);
  expect(await regionNow()).toBe("westus2");
  await west.changes.until("eastus-1", "ejected");
  await using _again = await startEast(near.address, { listen: { port: first.gateway.port } });
  await west.changes.until("eastus-1", "half-open");

  await expect.poll(regionNow).toBe("eastus");
});

test("only gateways get the wait that the next call would have, also when a call fails", async () => {
  await using replica = await startFakeReplica();
  await using east = await startEast(replica.address);
  const waitTold = async (headers: Record<string, string>, grpcStatus = 0) => {
    const answer = post(east.url, headers);
    const call = await replica.nextPredict();
    if (grpcStatus === 0) call.succeed(shapesOutputs());
    else call.answer(grpcStatus);
    return (await answer).headers.get("x-tensorgate-expected-wait-ms");
  };

  expect(await waitTold({})).toBeNull();
  expect(await waitTold({ "x-tensorgate-trace": "1" })).toBeNull();
  expect(await waitTold({ "x-tensorgate-hops": "1" })).toMatch(/^\d+\.\d$/);
  expect(await waitTold({ "x-tensorgate-hops": "1" }, 3)).toMatch(/^\d+\.\d$/);
});
