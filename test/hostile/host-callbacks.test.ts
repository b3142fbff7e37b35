import { ScoringClient } from "@tensorgate/client";
import type { ScoringError } from "@tensorgate/core";
import type { CallRecord, GatewayDeps } from "@tensorgate/gateway";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { shapesModel, startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const fault = new Error("the embedder's own fault");
const fails = {
  throws: (): never => {
    throw fault;
  },
  rejects: (): Promise<never> => Promise.reject(fault),
};

const settled = () => new Promise((resolve) => setImmediate(resolve));
const star = samplePicture("star");

/** What would have ended the process. */
const uncaught: unknown[] = [];
const note = (thrown: unknown) => void uncaught.push(thrown);
beforeEach(() => {
  uncaught.length = 0;
  process.on("unhandledRejection", note);
});
afterEach(() => {
  process.off("unhandledRejection", note);
  expect(uncaught).toEqual([]);
});

describe.each(Object.entries(fails))("a callback that %s", (_how, fail) => {
  test.each(["onCall", "onReplica"] as const)(
    "as %s fails no call, and is reported",
    async (name) => {
      const reported: string[] = [];
      const parts: GatewayDeps = {
        [name]: fail,
        onInternalError: ({ cause }: ScoringError, where) => {
          if (cause === fault) reported.push(where);
        },
      };
      await using replica = await startFakeReplica({ answer: shapesOutputs });
      await using running = await startGateway({ westeurope: [replica.address] }, {}, parts);
      const post = () => fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body: star });

      expect((await post()).status).toBe(200);
      expect((await post()).status).toBe(200);
      await settled();

      expect(new Set(reported)).toEqual(new Set([name === "onCall" ? "call" : "replica"]));
    },
  );

  test("as onInternalError is dropped, whatever failed before it", async () => {
    const parts: GatewayDeps = {
      onInternalError: fail,
      onCall: fail,
      outages: { list: fails.throws, begin: fail, end: fail as () => Promise<never> },
    };
    await using replica = await startFakeReplica({ answer: shapesOutputs });
    await using running = await startGateway({ westeurope: [replica.address] }, {}, parts);
    const post = (path: string) => fetch(running.url + path, { method: "POST", body: star });

    expect((await post("/demo/regions/westeurope/begin-outage")).status).toBe(500);
    expect((await post("/v1/classify/shapes")).status).toBe(200);
    await settled();
  });

  test("as a simulated outage fails its own call only", async () => {
    const parts: GatewayDeps = {
      outages: {
        list: () => [{ region: "westeurope", hasOutage: false }],
        begin: fail,
        end: fail as () => Promise<never>,
      },
    };
    await using replica = await startFakeReplica({ answer: shapesOutputs });
    await using running = await startGateway({ westeurope: [replica.address] }, {}, parts);
    const post = (path: string) => fetch(running.url + path, { method: "POST", body: star });

    expect((await post("/demo/regions/westeurope/begin-outage")).status).toBe(500);
    expect((await post("/demo/regions/westeurope/end-outage")).status).toBe(500);
    expect((await post("/v1/classify/shapes")).status).toBe(200);
    await settled();
  });

  test("as onEvent of a client changes no answer", async () => {
    await using replica = await startFakeReplica({ answer: shapesOutputs });
    await using running = await startGateway({ westeurope: [replica.address] });
    await using client = new ScoringClient({ baseUrl: running.url, onEvent: fail });

    expect((await client.classify("shapes", star)).length).toBeGreaterThan(0);
    await expect(client.classify("none", star)).rejects.toThrow('unknown model "none"');
    await settled();
  });
});

/** An instrument, a span or a tracer of which nothing works. */
const broken: unknown = new Proxy(() => {}, {
  get: (_target, name) => (name === "then" ? undefined : broken),
  apply: fails.throws,
});
/** A meter that makes such instruments. */
const brokenMeter = new Proxy(
  {},
  { get: () => () => ({ add: fails.throws, record: fails.throws, addCallback: () => {} }) },
);

test("instruments that throw fail no call, and the record of it is given all the same", async () => {
  const reported: string[] = [];
  const records: string[] = [];
  await using replica = await startFakeReplica({ answer: shapesOutputs });
  const parts = {
    meterProvider: { getMeter: () => brokenMeter },
    onCall: ({ reason }: CallRecord) => void records.push(reason),
    onInternalError: (_error: ScoringError, where: string) => void reported.push(where),
  } as unknown as GatewayDeps;
  await using running = await startGateway(
    { westeurope: [replica.address] },
    { models: [{ ...shapesModel(), cache: true }] },
    parts,
  );

  const answer = await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body: star });

  expect(answer.status).toBe(200);
  expect(new Set(reported)).toEqual(new Set(["telemetry"]));
  expect(records).toEqual(["ok"]);
});

test("a tracer that throws fails no call", async () => {
  await using replica = await startFakeReplica({ answer: shapesOutputs });
  const records: string[] = [];
  const parts = {
    tracerProvider: { getTracer: () => broken },
    onCall: ({ reason }: CallRecord) => void records.push(reason),
  } as unknown as GatewayDeps;
  await using running = await startGateway({ westeurope: [replica.address] }, {}, parts);

  const answer = await fetch(`${running.url}/v1/classify/shapes`, { method: "POST", body: star });

  expect(answer.status).toBe(200);
  expect(records).toEqual(["ok"]);
});
