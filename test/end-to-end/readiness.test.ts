import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Health } from "@tensorgate/proto/grpc/health/v1/health";
import { expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { addressOfNobody } from "../support/no-one.ts";
import { samplePicture } from "../support/pictures.ts";
import { replicaChanges } from "../support/replica-changes.ts";
import { openGateway, shapesModel, startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";
import { fillSlots } from "../support/waiting.ts";

const star = samplePicture("star");

const post = (url: string) => fetch(`${url}/v1/classify/shapes`, { method: "POST", body: star });

const servedBy = (region: string, ...replicas: readonly string[]) => ({
  model: "shapes",
  region,
  replicas,
});

/** What `startGateway` tells a gateway beside its pools. */
const described = { region: "westeurope", models: [shapesModel()] };

async function readyz(url: string) {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, text: (await response.text()).trim() };
}

test("a gateway is ready for callers with one pool, and ready altogether with the last", async () => {
  await using near = await startFakeReplica();
  const farAddress = await addressOfNobody();
  const pools = [servedBy("westeurope", near.address), servedBy("eastus", farAddress)];
  const changes = replicaChanges();
  const { onReplica } = changes;
  await using running = await openGateway({ pools }, { onReplica });
  let isReady = false;
  const ready = running.gateway.ready().then(() => {
    isReady = true;
  });
  await changes.until("westeurope-1", "ready");
  await changes.until("eastus-1", "ejected");

  expect(await readyz(running.url)).toEqual({ status: 200, text: "ok: 1 of 2 pools can serve" });
  expect(isReady).toBe(false);
  await using _far = await startFakeReplica({ port: Number(farAddress.split(":")[1]) });
  await ready;

  expect(await readyz(running.url)).toEqual({ status: 200, text: "ok: 2 of 2 pools can serve" });
  // Back from an ejection, it is given one call at a time at first.
  expect(changes.statesOf("eastus-1")).toEqual(["ejected", "half-open"]);
});

test("a gateway whose replicas are all lost is not ready, and says so by health and to callers", async () => {
  const replica = await startFakeReplica({ answer: shapesOutputs });
  const changes = replicaChanges();
  const { onReplica } = changes;
  await using running = await startGateway({ westeurope: [replica.address] }, {}, { onReplica });
  const health = createClient(Health, createGrpcTransport({ baseUrl: running.url }));
  expect((await health.check({})).status).toBe(1);

  await replica[Symbol.asyncDispose]();
  expect([502, 503]).toContain((await post(running.url)).status);
  await changes.until("westeurope-1", "ejected");

  expect(await readyz(running.url)).toEqual({
    status: 503,
    text: "not ready: 0 of 1 pools can serve; last probe: connection refused (1 replica)",
  });
  expect((await health.check({})).status).toBe(2);
  const refused = await post(running.url);
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("1");
  // Callers are told no addresses, the log is.
  expect(await refused.json()).toMatchObject({
    reason: "no-replica",
    hint: "last probe: connection refused (1 replica); see the gateway's log",
  });
  expect(changes.seen.at(-1)?.because).toMatch(
    new RegExp(`^probe: connection refused: .*${replica.port}`),
  );

  await using _again = await startFakeReplica({ port: replica.port, answer: shapesOutputs });
  await changes.until("westeurope-1", "half-open");
  expect(await readyz(running.url)).toEqual({ status: 200, text: "ok: 1 of 1 pools can serve" });
  expect((await post(running.url)).status).toBe(200);
});

test("a replica that is suspected does not serve until its probe has come back", async () => {
  await using replica = await startFakeReplica();
  const changes = replicaChanges();
  const { onReplica } = changes;
  await using running = await startGateway({ westeurope: [replica.address] }, {}, { onReplica });
  replica.ignoreProbes(true);

  const answer = post(running.url);
  await replica.nextPredict();
  replica.resetConnections();
  await changes.until("westeurope-1", "suspect");

  expect((await readyz(running.url)).status).toBe(503);
  expect((await answer).status).toBe(502);
});

test("a replica that is taken out while it works answers the call that it has", async () => {
  await using old = await startFakeReplica();
  await using young = await startFakeReplica();
  await using running = await startGateway({ westeurope: [old.address] });
  const answer = post(running.url);
  const call = await old.nextPredict();

  running.gateway.reload({ ...described, pools: [servedBy("westeurope", young.address)] });
  call.succeed(shapesOutputs());

  expect((await answer).status).toBe(200);
  const next = post(running.url);
  (await young.nextPredict()).answer(3, "the young one");
  expect((await next).status).toBe(400);
  expect(old.predictCount()).toBe(1);
});

test("a call that waits for a replica that is taken out is answered by the one in its place", async () => {
  await using old = await startFakeReplica();
  await using young = await startFakeReplica();
  const one = (address: string) => [{ ...servedBy("westeurope", address), parallelism: 1 }];
  await using running = await startGateway({}, { pools: one(old.address) });
  const { answers } = await fillSlots(running.url, old, { send: () => post(running.url) });

  running.gateway.reload({ ...described, pools: one(young.address) });
  (await young.nextPredict()).succeed(shapesOutputs());
  for (let served = 1; served < answers.length; served += 1) {
    (await old.nextPredict()).succeed(shapesOutputs());
  }

  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([200]));
});

test("an `onReplica` that throws holds up no call", async () => {
  await using replica = await startFakeReplica({ answer: shapesOutputs });
  const faults: string[] = [];
  await using running = await startGateway(
    { westeurope: [replica.address] },
    {},
    {
      onReplica: () => {
        throw new Error("the log is full");
      },
      onInternalError: (error) => faults.push(String(error.cause)),
    },
  );

  await running.gateway.ready();

  expect((await fetch(`${running.url}/readyz`)).status).toBe(200);
  expect(faults).toEqual(["Error: the log is full"]);
});
