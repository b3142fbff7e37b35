// A load balancer forgets idle connections without closing them, and a client that keeps them waits in vain:
// arcjet/arcjet-js#6137, connectrpc/connect-es#463.
import { readFile } from "node:fs/promises";
import { type ClientEvent, PredictionClient, ScoringClient } from "@tensorgate/client";
import { openServingServices } from "@tensorgate/client/tensorflow-serving";
import { manualClockAndRandom } from "@tensorgate/core/testing";
import { bundledModelsDirectory, startModelServer } from "@tensorgate/model-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startForgetfulProxy } from "../support/forgetful-proxy.ts";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";

const star = new URL("../../examples/pictures/star.jpg", import.meta.url);
const timeoutMs = 10_000;

/** A proxy, and the time of a client behind it: an attempt is over when its first byte was lost, a wait when it begins. */
async function lossyWay(targetPort: number) {
  const { clock, random } = manualClockAndRandom();
  const proxy = await startForgetfulProxy(targetPort, () => clock.advance(timeoutMs));
  const onEvent = (event: ClientEvent) => {
    if (event.type === "retry") setImmediate(() => clock.advance(event.delayMs));
  };
  return { proxy, options: { clockAndRandom: { clock, random }, onEvent, timeoutMs } };
}

describe.each(["connect", "grpc"] as const)("a client over %s", (transport) => {
  let running: RunningGateway;
  let picture: Buffer;
  beforeAll(async () => {
    running = await startBundledGateway();
    picture = await readFile(star);
  });
  afterAll(() => running[Symbol.asyncDispose]());

  async function open() {
    const { proxy, options } = await lossyWay(Number(new URL(running.url).port));
    const baseUrl = `http://127.0.0.1:${proxy.port}`;
    return { proxy, client: new ScoringClient({ baseUrl, transport, ...options }) };
  }
  const classify = (client: ScoringClient) => client.classify("shapes", picture, { topK: 1 });

  test.each<{
    name: string;
    call: (client: ScoringClient) => Promise<{ meta: { attempts: number } }>;
  }>([
    { name: "classify", call: classify },
    { name: "detect", call: (client) => client.detect("shapes-detector", picture) },
    { name: "embed", call: (client) => client.embed("shapes", picture) },
    {
      name: "predict",
      call: (client) => client.predict("shapes", { images: { data: [picture], shape: [1] } }),
    },
    { name: "models.list", call: (client) => client.models.list() },
    { name: "models.get", call: (client) => client.models.get("shapes") },
    { name: "status.get", call: (client) => client.status.get() },
    { name: "health", call: (client) => client.health() },
  ])(
    "$name is answered by its second attempt, on a new connection, each time",
    async ({ call }) => {
      const { proxy, client } = await open();
      await using _proxy = proxy;
      await using _client = client;
      expect((await call(client)).meta.attempts).toBe(1);

      for (const connectionCount of [2, 3]) {
        proxy.forget();
        expect((await call(client)).meta.attempts).toBe(2);
        expect((await call(client)).meta.attempts).toBe(1);
        expect(proxy.connectionCount()).toBe(connectionCount);
      }
    },
  );

  test("the first status of a watch comes by the second attempt", async () => {
    const { proxy, client } = await open();
    await using _proxy = proxy;
    await using _client = client;
    await client.health();
    proxy.forget();

    for await (const { region } of client.status.watch()) {
      expect(region).toBe("westeurope");
      break;
    }
    expect(proxy.connectionCount()).toBe(2);
  });

  test("a call after the loss of several connections is answered by its second attempt", async () => {
    const { proxy, client } = await open();
    await using _proxy = proxy;
    await using _client = client;
    await Promise.all(Array.from({ length: 8 }, () => classify(client)));
    const connectionCount = proxy.connectionCount();
    proxy.forget();

    expect((await classify(client)).meta.attempts).toBe(2);
    expect((await classify(client)).meta.attempts).toBe(1);
    expect(proxy.connectionCount()).toBe(connectionCount + 1);
  });

  test("several calls that are lost together are answered by their second attempts", async () => {
    const { proxy, client } = await open();
    await using _proxy = proxy;
    await using _client = client;
    await classify(client);
    proxy.forget();

    const labels = await Promise.all(Array.from({ length: 8 }, () => classify(client)));

    expect(labels.map(({ meta }) => meta.attempts <= 2)).toEqual(labels.map(() => true));
  });
});

describe("a client of one model server", () => {
  let server: Awaited<ReturnType<typeof startModelServer>>;
  beforeAll(async () => {
    const models = { name: "shapes", basePath: `${bundledModelsDirectory}/shapes` };
    server = await startModelServer({ port: 0, models });
  });
  afterAll(() => server.close());

  test("is answered by the second attempt, on a new connection, each time", async () => {
    const { proxy, options } = await lossyWay(server.port);
    await using _proxy = proxy;
    const at = { address: "127.0.0.1", port: proxy.port, model: "shapes" };
    await using client = new PredictionClient({ ...at, ...options });
    const images = { images: { data: [await readFile(star)], shape: [1] } };
    const calls = [
      () => client.scoreFile(star, { input: "images", outputs: "scores" }),
      () => client.scoreTensors(images, { outputs: "scores" }),
    ];
    for (const call of calls) expect((await call()).meta.attempts).toBe(1);

    for (const [index, call] of calls.entries()) {
      proxy.forget();
      expect((await call()).meta.attempts).toBe(2);
      expect((await call()).meta.attempts).toBe(1);
      expect(proxy.connectionCount()).toBe(index + 2);
    }

    proxy.forget();
    const together = await Promise.all(Array.from({ length: 8 }, () => calls[0]?.()));
    expect(together.map((scores) => scores?.meta.attempts)).toEqual(together.map(() => 2));
  });

  test.each(["signal", "timeoutMs"])(
    "loses one call of the services that its %s ends, and no other",
    async (limit) => {
      const controller = new AbortController();
      await using proxy = await startForgetfulProxy(server.port, () => controller.abort());
      using services = openServingServices(`http://127.0.0.1:${proxy.port}`);
      const status = { modelSpec: { name: "shapes" } };
      await services.model.getModelStatus(status);
      proxy.forget();

      const limits = limit === "signal" ? { signal: controller.signal } : { timeoutMs: 50 };
      await expect(services.model.getModelStatus(status, limits)).rejects.toThrow();

      const { modelVersionStatus } = await services.model.getModelStatus(status);
      expect(modelVersionStatus).toHaveLength(1);
      expect(proxy.connectionCount()).toBe(2);
    },
  );
});
