import { once } from "node:events";
import http from "node:http";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import type { GatewayDeps } from "@tensorgate/gateway";
import { describe, expect, test } from "vitest";
import { type FakeReplica, type PredictCall, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";
import { poolStatus, untilWaiting } from "../support/waiting.ts";

const star = samplePicture("star");

const post = (url: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
  fetch(`${url}/v1/classify/shapes`, { method: "POST", body: star, headers, ...init });

/** A gateway that gives its one replica two calls at a time, both of them taken. */
async function startFull(routing: object = {}, parts: GatewayDeps = {}) {
  const replica = await startFakeReplica();
  const running = await startGateway(
    {},
    {
      pools: [
        { model: "shapes", region: "westeurope", replicas: [replica.address], parallelism: 1 },
      ],
      // A probe in the middle might find another way, and other slots.
      routing: { pacing: false, probeIntervalMs: 600_000, ...routing },
    },
    parts,
  );
  await untilTwoSlots(running.url, replica);
  const served = replica.predictCount();
  const answers = [post(running.url), post(running.url)];
  const calls = [await replica.nextPredict(), await replica.nextPredict()];
  let waiting = 0;
  return {
    ...running,
    replica,
    calls,
    /** How many calls have reached the replica, the two that are held included. */
    arrivedCount: () => replica.predictCount() - served,
    /** Adds a call with this id to those that wait, and is done when it does. */
    wait: async (id: string, headers: Record<string, string> = {}, init: RequestInit = {}) => {
      const answer = post(running.url, { "x-request-id": id, ...headers }, init);
      // Whoever is refused is looked at later.
      answer.catch(() => {});
      waiting += 1;
      await untilWaiting(running.url, waiting);
      return { answer };
    },
    /** Answers the calls under way, and then all that come, until `count` have. @returns their ids */
    serve: (count: number) => serve(replica, calls, count),
    [Symbol.asyncDispose]: async () => {
      for (const call of calls) if (!call.stream.closed) call.succeed(shapesOutputs());
      await Promise.allSettled(answers);
      await running.gateway.close(0);
      await replica[Symbol.asyncDispose]();
    },
  };
}

/** A device has two slots where the way to it takes less than its work: so the first calls are made to take long. */
async function untilTwoSlots(url: string, replica: FakeReplica): Promise<void> {
  for (let looks = 16; (await poolStatus(url))?.replicas[0]?.slots !== 2; looks *= 2) {
    const answer = post(url);
    const call = await replica.nextPredict();
    for (let look = 0; look < looks; look += 1) await poolStatus(url);
    call.succeed(shapesOutputs());
    await answer;
  }
}

async function serve(replica: FakeReplica, calls: PredictCall[], count: number) {
  const ids: unknown[] = [];
  for (let served = 0; served < count; served += 1) {
    calls.shift()?.succeed(shapesOutputs());
    const next = await replica.nextPredict();
    calls.push(next);
    ids.push(next.headers["x-request-id"]);
  }
  return ids;
}

describe("calls that wait for a slot", () => {
  test("have their turn in the order they came", async () => {
    await using full = await startFull();
    for (const id of ["first", "second", "third"]) await full.wait(id);

    expect(await full.serve(3)).toEqual(["first", "second", "third"]);
  });

  test("have their turn after critical ones and before batch work", async () => {
    await using full = await startFull();
    await full.wait("batch", { "x-tensorgate-priority": "batch" });
    await full.wait("normal");
    await full.wait("also normal", { "x-tensorgate-priority": "normal" });
    await full.wait("critical", { "x-tensorgate-priority": "CRITICAL" });
    expect(full.arrivedCount()).toBe(2);

    expect(await full.serve(4)).toEqual(["critical", "normal", expect.any(String), "batch"]);
  });

  test("give way when their caller leaves, and reach no replica", async () => {
    await using full = await startFull();
    const controller = new AbortController();
    const left = await full.wait("left", {}, { signal: controller.signal });
    const { answer } = await full.wait("stays");

    controller.abort();
    await expect(left.answer).rejects.toThrow();
    await untilWaiting(full.url, 1);

    expect(await full.serve(1)).toEqual(["stays"]);
    for (const call of full.calls) call.succeed(shapesOutputs());
    expect((await answer).status).toBe(200);
    expect(full.arrivedCount()).toBe(3);
  });

  test("are answered when their deadline passes, and reach no replica", async () => {
    await using full = await startFull();

    const response = await post(full.url, { "x-tensorgate-timeout-ms": "100" });

    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ reason: "deadline-exceeded" });
    expect((await poolStatus(full.url))?.waiting).toBe(0);
    expect(full.arrivedCount()).toBe(2);
  });

  test("are all answered when the gateway closes", async () => {
    await using full = await startFull();
    const waiting = [await full.wait("first"), await full.wait("second")];

    const closed = full.gateway.close(10_000);
    expect(await full.serve(2)).toEqual(["first", "second"]);
    for (const call of full.calls) call.succeed(shapesOutputs());

    const responses = await Promise.all(waiting.map(({ answer }) => answer));
    expect(responses.map(({ status }) => status)).toEqual([200, 200]);
    await closed;
  });

  test("are counted by model and region", async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 });
    const meterProvider = new MeterProvider({ readers: [reader] });
    await using full = await startFull({}, { meterProvider });
    await full.wait("first");
    await full.wait("second");

    await meterProvider.forceFlush();

    const points = exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
      .filter(({ descriptor }) => descriptor.name === "tensorgate.queue.length")
      .flatMap(({ dataPoints }): readonly { attributes: object; value: unknown }[] => dataPoints);
    expect(points).toContainEqual(
      expect.objectContaining({
        attributes: { queue: "replica", model: "shapes", region: "westeurope" },
        value: 2,
      }),
    );
    expect(points).toContainEqual(
      expect.objectContaining({ attributes: { queue: "connection" }, value: 0 }),
    );
  });
});

describe("a line that is full", () => {
  test("is rejected immediately, with a time to retry, and what waits is answered", async () => {
    await using full = await startFull({ maxWaiting: 1 });
    const { answer } = await full.wait("waits");

    const refused = await post(full.url);

    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(Number(refused.headers.get("grpc-retry-pushback-ms"))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ reason: "overloaded" });
    expect(await full.serve(1)).toEqual(["waits"]);
    for (const call of full.calls) call.succeed(shapesOutputs());
    expect((await answer).status).toBe(200);
  });

  test("is rejected by the headers alone, before the picture is sent", async () => {
    await using full = await startFull({ maxWaiting: 1 });
    await full.wait("waits");

    const request = http.request(`${full.url}/v1/classify/shapes`, {
      method: "POST",
      headers: { "content-length": 1_000_000, "content-type": "image/jpeg" },
    });
    request.flushHeaders();
    const [response]: http.IncomingMessage[] = await once(request, "response");

    expect(response?.statusCode).toBe(503);
    expect(response?.headers["retry-after"]).toBe("1");
    request.destroy();
  });

  test("has room for a critical call where batch work waits, which is rejected with a time to retry", async () => {
    await using full = await startFull({ maxWaiting: 1 });
    const batch = await full.wait("batch", { "x-tensorgate-priority": "batch" });

    const critical = post(full.url, {
      "x-request-id": "critical",
      "x-tensorgate-priority": "critical",
    });
    const response = await batch.answer;

    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ reason: "overloaded" });
    expect(response.headers.get("retry-after")).toBe("1");
    expect((await post(full.url)).status).toBe(503);
    expect(await full.serve(1)).toEqual(["critical"]);
    for (const call of full.calls) call.succeed(shapesOutputs());
    expect((await critical).status).toBe(200);
  });
});

test.each(["urgent", "criticality", "critical, batch"])(
  "a priority of %j is the caller's mistake",
  async (priority) => {
    await using replica = await startFakeReplica();
    await using running = await startGateway({ westeurope: [replica.address] });

    const response = await post(running.url, { "x-tensorgate-priority": priority });

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      reason: "invalid-request",
      field: "x-tensorgate-priority",
    });
    expect(replica.predictCount()).toBe(0);
  },
);

test("a replica without a configured parallelism gets more than a device", async () => {
  await using replica = await startFakeReplica();
  await using running = await startGateway({ westeurope: [replica.address] });

  const answers = Array.from({ length: 5 }, () => post(running.url));
  const calls: PredictCall[] = [];
  while (calls.length < 5) calls.push(await replica.nextPredict());
  for (const call of calls) call.succeed(shapesOutputs());

  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([
    200, 200, 200, 200, 200,
  ]);
});

test("a paced device gets the next call only when it should be done with the one before", async () => {
  await using replica = await startFakeReplica();
  const pools = [
    { model: "shapes", region: "westeurope", replicas: [replica.address], parallelism: 1 },
  ];
  await using running = await startGateway({}, { pools });
  const answers = [post(running.url), post(running.url), post(running.url)];
  const first = await replica.nextPredict();

  first.succeed(shapesOutputs());
  for (let count = 1; count < 3; count += 1) {
    (await replica.nextPredict()).succeed(shapesOutputs());
  }

  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
});

test("a caller who leaves while a replica works ends the call there, and the slot is free again", async () => {
  await using full = await startFull();
  const { answer } = await full.wait("next");
  const controller = new AbortController();
  full.calls.shift()?.succeed(shapesOutputs());
  const mine = post(full.url, { "x-request-id": "mine" }, { signal: controller.signal });
  mine.catch(() => {});
  full.calls.push(await full.replica.nextPredict());
  await untilWaiting(full.url, 1);
  expect(await full.serve(1)).toEqual(["mine"]);

  const closed = once(full.calls.at(-1)?.stream as NodeJS.EventEmitter, "close");
  controller.abort();
  await closed;
  full.calls.pop();
  for (const call of full.calls) call.succeed(shapesOutputs());
  full.calls.length = 0;

  expect((await answer).status).toBe(200);
  const after = post(full.url);
  (await full.replica.nextPredict()).succeed(shapesOutputs());
  expect((await after).status).toBe(200);
});
