import type http2 from "node:http2";
import { describe, expect, test } from "vitest";
import { refuse as refuseCall, startFakeReplica } from "../support/fake-replica.ts";
import { classScores } from "../support/family-answers.ts";
import { replicaChanges } from "../support/replica-changes.ts";
import { startGateway } from "../support/running-gateway.ts";
import {
  classify,
  classModel,
  poolOf,
  startBefore,
  startVersioned,
} from "../support/versioned-replicas.ts";

describe.each([
  { code: 5, message: "Servable not found for request: Latest(m)" },
  { code: 9, message: "the model is not loaded" },
  { code: 12, message: "" },
])("a replica that answers $code for a model that others serve", ({ code, message }) => {
  const refuse = (stream: http2.ServerHttp2Stream) => {
    refuseCall(stream, { code, message });
    return true;
  };
  const isPredict = (headers: http2.IncomingHttpHeaders) => headers[":path"]?.endsWith("/Predict");

  test.each([true, false])(
    "costs no call, where it says to a probe that it has it: %s",
    async (claims) => {
      let isHere = true;
      await using bad = await startVersioned([1n], {
        intercept: (stream, headers) =>
          !isHere && (isPredict(headers) || !claims) ? refuse(stream) : false,
      });
      await using good = await startVersioned([1n]);
      await using other = await startVersioned([1n]);
      await using running = await startBefore(
        [bad, good, other],
        [classModel({ idempotent: false })],
      );
      isHere = false;

      const outcomes = await Promise.all(
        Array.from({ length: 60 }, async () => (await classify(running.url)).status),
      );

      expect(new Set(outcomes)).toEqual(new Set([200]));
      expect(running.changes.statesOf("westeurope-1")).not.toContain("ejected");
      isHere = true;
      await running.changes.until("westeurope-1", "ready");
    },
  );
});

test("a replica that does not have the model gets no call of it until a probe finds it again", async () => {
  let isHere = true;
  let predictCount = 0;
  const held: http2.ServerHttp2Stream[] = [];
  await using bad = await startVersioned([1n], {
    intercept: (stream, headers) => {
      if (isHere) return false;
      if (!headers[":path"]?.endsWith("/Predict")) held.push(stream);
      else {
        predictCount += 1;
        refuseCall(stream, { code: 5, message: "Servable not found for request: Latest(m)" });
      }
      return true;
    },
  });
  await using good = await startVersioned([1n]);
  await using running = await startBefore([bad, good], [classModel()], {
    probeIntervalMs: 600_000,
  });
  isHere = false;
  while (predictCount === 0) expect((await classify(running.url)).status).toBe(200);

  for (let count = 0; count < 20; count += 1) {
    expect((await classify(running.url)).status).toBe(200);
  }
  expect([predictCount, held.length]).toEqual([1, 1]);
  isHere = true;
  refuseCall(held[0] as http2.ServerHttp2Stream, { code: 5, message: "not yet" });

  await running.changes.until("westeurope-1", "ready");
  expect(running.changes.statesOf("westeurope-1")).toEqual([
    "ready",
    "suspect",
    "warming",
    "ready",
  ]);
});

test("a model that is in its region nowhere else is served by another region, but never outside its residency", async () => {
  await using absent = await startVersioned([1n], {
    answer: () => ({ code: 5, message: "Servable not found for request: Latest(m)" }),
  });
  await using far = await startVersioned([1n]);
  const pools = [poolOf([absent]), poolOf([far], "eastus")];
  await using running = await startGateway({}, { models: [classModel()], pools });

  expect((await classify(running.url)).status).toBe(200);
  expect(await classify(running.url, "", { "x-tensorgate-residency": "westeurope" })).toMatchObject(
    {
      status: 503,
      reason: "model-not-ready",
      hint: "a replica answered: Servable not found for request: Latest(m)",
    },
  );
  expect(far.answeredCount()).toBe(1);
});

test("a label that one replica does not know is asked of another one", async () => {
  const knows = (isKnown: boolean) =>
    startFakeReplica({
      answer: ({ modelSpec }) =>
        modelSpec?.versionLabel === undefined || isKnown
          ? new Map([["scores", classScores(3, { 1: 1 })]])
          : { code: 3, message: `Unrecognized servable version label: ${modelSpec.versionLabel}` },
    });
  await using without = await knows(false);
  await using having = await knows(true);
  await using running = await startBefore([without, having]);

  for (let count = 0; count < 8; count += 1) {
    expect((await classify(running.url, "?versionLabel=stable")).status).toBe(200);
  }
  expect(running.changes.statesOf("westeurope-1")).toEqual(["ready"]);
});

test("a label that no replica knows is an unknown version, with what a replica said", async () => {
  await using replica = await startFakeReplica({
    answer: ({ modelSpec }) => ({
      code: 3,
      message: `Unrecognized servable version label: ${modelSpec?.versionLabel}`,
    }),
  });
  await using running = await startBefore([replica]);

  expect(await classify(running.url, "?versionLabel=best")).toMatchObject({
    status: 404,
    reason: "unknown-version",
    hint: expect.stringContaining("its replicas list no labels"),
  });
});

test("a model's status and metadata are asked within its residency, and of a replica that knows it", async () => {
  const asked: string[] = [];
  const named = (name: string, isThere: boolean) =>
    startFakeReplica({
      intercept: (stream) => {
        if (!isTold) return false;
        asked.push(name);
        if (!isThere) refuseCall(stream, { code: 5, message: "Could not find any versions" });
        return !isThere;
      },
    });
  let isTold = false;
  await using near = await named("near", true);
  await using absent = await named("absent", false);
  await using far = await named("far", true);
  const pools = [poolOf([near]), poolOf([absent, far], "eastus")];
  const changes = replicaChanges();
  await using running = await startGateway(
    {},
    {
      models: [classModel({ residency: ["eastus"] })],
      pools,
      routing: { probeIntervalMs: 600_000 },
    },
    { onReplica: changes.onReplica },
  );
  for (const alias of ["westeurope-1", "eastus-1", "eastus-2"]) await changes.until(alias, "ready");
  isTold = true;

  const response = await fetch(`${running.url}/v1/models/m`);

  expect(response.status).toBe(200);
  expect(asked).toEqual(["absent", "far"]);
});
