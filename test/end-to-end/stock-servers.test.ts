import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { float32Tensor, type Signature } from "@tensorgate/core";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import { describe, expect, test } from "vitest";
import { type FakeReplicaOptions, refuse, startFakeReplica } from "../support/fake-replica.ts";
import { classScores } from "../support/family-answers.ts";
import { samplePicture } from "../support/pictures.ts";
import { openGateway, startGateway } from "../support/running-gateway.ts";
import {
  classify,
  classModel,
  poolOf,
  startBefore,
  startVersioned,
} from "../support/versioned-replicas.ts";

// What a real TensorFlow Serving does that a gateway must not be surprised by.

const star = Uint8Array.from(samplePicture("star"));

async function embedded(url: string, model: string) {
  const response = await fetch(`${url}/v1/embed/${model}`, { method: "POST", body: star });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

describe("a model whose only output holds class scores", () => {
  const signature: Signature = {
    inputs: new Map([["images", { dtype: "BYTES", shape: [-1] }]]),
    outputs: new Map([["output_alias", { dtype: "FP32", shape: [-1, 1_000] }]]),
  };
  const answer = () => new Map([["output_alias", classScores(1_000, { 281: 1 })]]);
  const start = async (options: FakeReplicaOptions = {}) => {
    const replica = await startFakeReplica({ answer, ...options });
    const pool = { model: "m", region: "westeurope", replicas: [replica.address] };
    const running = await startGateway(
      {},
      { models: [{ name: "m", family: "resnet-50" }], pools: [pool] },
    );
    return {
      url: running.url,
      [Symbol.asyncDispose]: async () => {
        await running[Symbol.asyncDispose]();
        await replica[Symbol.asyncDispose]();
      },
    };
  };

  test("is not embedded, and the error lists what there is", async () => {
    await using running = await start();

    const { status, json } = await embedded(running.url, "m");

    expect(status).toBe(400);
    expect(json).toMatchObject({
      reason: "failed-precondition",
      detail: 'model "m" returns no output "features" with features; its outputs: output_alias',
    });
    // It is no fault of the replica, which goes on.
    expect(
      (await fetch(`${running.url}/v1/classify/m`, { method: "POST", body: star })).status,
    ).toBe(200);
  });

  test.each([
    {
      name: "promises both where no metadata say otherwise",
      options: {},
      tasks: ["classify", "embed", "predict"],
      outputs: ["output_alias", "features"],
    },
    {
      name: "promises what the metadata confirm",
      options: { signatures: new Map([["serving_default", signature]]) },
      tasks: ["classify", "predict"],
      outputs: ["output_alias"],
    },
  ])("its catalog $name", async ({ options, tasks, outputs }) => {
    await using running = await start(options);

    const response = await fetch(`${running.url}/v1/catalog/m`);
    const json = (await response.json()) as { outputs: { name: string }[] };

    expect(json).toMatchObject({ task: "classify", tasks });
    expect(json.outputs.map(({ name }) => name)).toEqual(outputs);
  });
});

describe("a model that no replica has", () => {
  const absent: FakeReplicaOptions = {
    intercept: (stream, headers) => {
      const isStatus = headers[":path"]?.endsWith("/GetModelStatus") ?? false;
      const text = isStatus
        ? "Could not find any versions of model m"
        : "Servable not found for request: Latest(m)";
      refuse(stream, { code: 5, message: text });
      return true;
    },
  };

  test("is reported as such, not as out of reach", async () => {
    await using replica = await startVersioned([1n], absent);
    await using running = await openGateway({ models: [classModel()], pools: [poolOf([replica])] });
    await expect.poll(async () => (await classify(running.url)).hint).toMatch(/^last probe: /);

    expect(await classify(running.url)).toMatchObject({
      status: 503,
      reason: "model-not-ready",
      hint: "last probe: model not found (1 replica); see the gateway's log",
    });
  });
});

describe.each([
  { name: "UNAVAILABLE", code: 14 },
  { name: "INTERNAL", code: 13 },
  { name: "ABORTED", code: 10 },
])("of two replicas one that answers $name from the start", ({ code }) => {
  test("costs none of 300 calls", async () => {
    await using bad = await startVersioned([1n], { answer: () => ({ code, message: "broken" }) });
    await using good = await startVersioned([1n]);
    await using running = await startBefore([bad, good]);
    const outcomes: number[] = [];

    await Promise.all(
      Array.from({ length: 4 }, async () => {
        while (outcomes.length < 300) outcomes.push((await classify(running.url)).status);
      }),
    );

    expect(new Set(outcomes)).toEqual(new Set([200]));
  });
});

describe("version 0, as ovmsclient sends it", () => {
  const asked: (bigint | undefined)[] = [];
  const start = async (versions: readonly bigint[]) => {
    asked.length = 0;
    const replica = await startFakeReplica({
      versions: () => versions,
      answer: ({ modelSpec }) => {
        asked.push(modelSpec?.version);
        return new Map([["scores", float32Tensor([1, 1], Float32Array.of(1))]]);
      },
    });
    const running = await startGateway({}, { models: [{ name: "m" }], pools: [poolOf([replica])] });
    const predict = createClient(
      PredictionService,
      createGrpcTransport({ baseUrl: running.url }),
    ).predict;
    return {
      predict: () =>
        predict({
          modelSpec: { name: "m", versionChoice: { case: "version", value: { value: 0n } } },
          inputs: { images: { dtype: 7, stringVal: [star] } },
          outputFilter: ["scores"],
        }),
      [Symbol.asyncDispose]: async () => {
        await running[Symbol.asyncDispose]();
        await replica[Symbol.asyncDispose]();
      },
    };
  };

  test("means the newest", async () => {
    await using running = await start([3n, 7n]);

    const { modelSpec } = await running.predict();

    expect(asked).toEqual([undefined]);
    expect(modelSpec?.versionChoice).toMatchObject({ value: { value: 7n } });
  });

  test("means that version where there is one", async () => {
    await using running = await start([0n, 7n]);

    await running.predict();

    expect(asked).toEqual([0n]);
  });
});

test("a status message that ends in a blank reaches the caller", async () => {
  const message = "input alias set: ";
  await using replica = await startVersioned([1n], {
    intercept: (stream, headers) => {
      if (!headers[":path"]?.endsWith("/Predict")) return false;
      // As C++ servers write it, which encode no blanks.
      stream.respond(
        { "content-type": "application/grpc", "grpc-status": 3, "grpc-message": message },
        { endStream: true },
      );
      return true;
    },
  });
  await using running = await startGateway(
    {},
    { models: [{ name: "m" }], pools: [poolOf([replica])] },
  );
  const client = createClient(PredictionService, createGrpcTransport({ baseUrl: running.url }));

  const asking = client.predict({ modelSpec: { name: "m" }, inputs: { x: { dtype: 7 } } });
  const error = ConnectError.from(await asking.catch((thrown) => thrown));

  expect({ code: error.code, message: error.rawMessage }).toEqual({
    code: Code.InvalidArgument,
    message,
  });
});
