import { float32Tensor } from "@tensorgate/core";
import { expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { startWest } from "../support/peer-gateways.ts";
import { samplePicture } from "../support/pictures.ts";
import { openGateway, shapesModel } from "../support/running-gateway.ts";
import { type ScriptedReply, startScriptedInference } from "../support/scripted-inference.ts";

const scores = Float32Array.from({ length: 16 }, (_, index) => (index === 14 ? 1 : 0));
const answer = {
  model_name: "shapes",
  model_version: "1",
  outputs: [{ name: "scores", datatype: "FP32", shape: ["1", "16"] }],
  raw_output_contents: [Buffer.from(scores.buffer).toString("base64")],
};
const failed = { status: { code: "UNAVAILABLE", message: "gone" } };

const startBackend = (...replies: readonly ScriptedReply[]) =>
  startScriptedInference({
    model: "shapes",
    metadata: {
      name: "shapes",
      versions: ["1"],
      inputs: [{ name: "images", datatype: "BYTES", shape: ["-1"] }],
      outputs: [{ name: "scores", datatype: "FP32", shape: ["-1", "16"] }],
    },
    replies: { ModelInfer: replies },
  });

/** A gateway with a server of each protocol, in two regions. */
async function startBetween(inference: string, serving: string) {
  const pool = { model: "shapes", dialect: "open-inference" as const };
  const running = await openGateway({
    models: [{ ...shapesModel(), output: { scores: { holds: "probabilities" } } }],
    pools: [
      { ...pool, region: "westeurope", replicas: [inference] },
      { model: "shapes", region: "eastus", replicas: [serving] },
    ],
  });
  await expect
    .poll(
      () =>
        running.gateway
          .status()
          .regions.flatMap(({ pools }) => pools.flatMap(({ replicas }) => replicas))
          .every(({ state }) => state === "ready"),
      { interval: 5, timeout: 10_000 },
    )
    .toBe(true);
  return running;
}

async function classified(url: string, region: string) {
  const response = await fetch(`${url}/v1/classify/shapes?topK=1&region=${region}`, {
    method: "POST",
    body: samplePicture("star"),
  });
  expect(response.status).toBe(200);
  const { results, ...answered } = (await response.json()) as {
    region: string;
    results: readonly { labels: readonly { label: string }[] }[];
  };
  return { region: answered.region, label: results[0]?.labels[0]?.label };
}

test("servers of different protocols take over from each other", async () => {
  await using inference = await startBackend(failed, answer);
  let isDown = false;
  await using serving = await startFakeReplica({
    answer: () =>
      isDown
        ? { code: 14, message: "gone" }
        : new Map([["scores", float32Tensor([1, 16], scores)]]),
  });
  await using running = await startBetween(inference.address, serving.address);

  expect(await classified(running.url, "westeurope")).toEqual({ region: "eastus", label: "star" });
  isDown = true;
  expect(await classified(running.url, "eastus")).toEqual({ region: "westeurope", label: "star" });
});

test("a client of TensorFlow Serving's API gets its answer from a server of the other protocol", async () => {
  await using inference = await startBackend(answer);
  await using running = await openGateway({
    models: [shapesModel()],
    pools: [
      {
        model: "shapes",
        region: "westeurope",
        dialect: "open-inference",
        replicas: [inference.address],
      },
    ],
  });
  await running.gateway.ready();
  const b64 = Buffer.from(samplePicture("star")).toString("base64");

  const post = (body: object) =>
    fetch(`${running.url}/v1/models/shapes:predict`, {
      method: "POST",
      body: JSON.stringify(body),
    });
  const response = await post({ instances: [{ b64 }] });

  expect(await response.json()).toEqual({ predictions: [[...scores]] });
  const status = await fetch(`${running.url}/v1/models/shapes`);
  expect(await status.json()).toMatchObject({
    model_version_status: [{ version: "1", state: "AVAILABLE" }],
  });
  const other = await post({ signature_name: "other", instances: [{ b64 }] });
  expect(other.status).toBe(400);
  const classify = await fetch(`${running.url}/v1/models/shapes:classify`, {
    method: "POST",
    body: JSON.stringify({ examples: [{ x: 1 }] }),
  });
  expect(classify.status).toBe(501);
});

const told = {
  parameters: { mood: "good", n: 3, big: 2 ** 53, half: 0.5, yes: true, timeout: 9e6, priority: 1 },
  passedOn: {
    mood: { string_param: "good" },
    n: { int64_param: "3" },
    big: { double_param: 2 ** 53 },
    half: { double_param: 0.5 },
    yes: { bool_param: true },
  },
};

test("parameters of a request reach the server with their types, also through the gateway of its region", async () => {
  await using inference = await startBackend(answer);
  const pool = { model: "shapes", region: "eastus", dialect: "open-inference" as const };
  const models = [shapesModel()];
  await using east = await openGateway({
    region: "eastus",
    models,
    pools: [{ ...pool, replicas: [inference.address] }],
  });
  await east.gateway.ready();
  await using west = await startWest({ eastus: east.url }, { models });

  for (const { url } of [east, west]) {
    const response = await fetch(`${url}/v2/models/shapes/infer`, {
      method: "POST",
      body: JSON.stringify({
        parameters: told.parameters,
        inputs: [
          {
            name: "images",
            datatype: "BYTES",
            shape: [1],
            data: [{ b64: Buffer.from(samplePicture("star")).toString("base64") }],
          },
        ],
      }),
    });
    expect(response.status).toBe(200);
  }

  const sent = inference.calls.filter(({ method }) => method === "ModelInfer");
  expect(sent.map(({ request }) => request["parameters"])).toEqual([told.passedOn, told.passedOn]);
});

test("parameters go with a picture that the gateway makes pixels of", async () => {
  await using inference = await startScriptedInference({
    model: "shapes",
    metadata: {
      name: "shapes",
      versions: ["1"],
      inputs: [{ name: "images", datatype: "FP32", shape: ["-1", "8", "8", "3"] }],
      outputs: [{ name: "scores", datatype: "FP32", shape: ["-1", "16"] }],
    },
    replies: { ModelInfer: [answer] },
  });
  const input = { tensor: "images", kind: "pixels", heightPx: 8, widthPx: 8 } as const;
  const replicas = [inference.address];
  await using running = await openGateway({
    models: [{ ...shapesModel(), input }],
    pools: [{ model: "shapes", region: "westeurope", dialect: "open-inference", replicas }],
  });
  await running.gateway.ready();
  const b64 = Buffer.from(samplePicture("star")).toString("base64");
  const images = { name: "images", datatype: "BYTES", shape: [1], data: [{ b64 }] };

  const response = await fetch(`${running.url}/v2/models/shapes/infer`, {
    method: "POST",
    body: JSON.stringify({ parameters: { mood: "good" }, inputs: [images] }),
  });

  expect(response.status).toBe(200);
  const sent = inference.calls.find(({ method }) => method === "ModelInfer");
  expect(sent?.request).toMatchObject({
    parameters: { mood: { string_param: "good" } },
    inputs: [{ datatype: "FP32", shape: ["1", "8", "8", "3"] }],
  });
});

test("a picture is scored also where the server does not describe the model", async () => {
  const unknown = { status: { code: "INTERNAL", message: "a bug" } };
  await using inference = await startScriptedInference({
    model: "shapes",
    metadata: {},
    replies: { ModelMetadata: [unknown], ModelInfer: [answer] },
  });
  await using running = await openGateway({
    models: [shapesModel()],
    pools: [
      {
        model: "shapes",
        region: "westeurope",
        dialect: "open-inference",
        replicas: [inference.address],
      },
    ],
  });
  await running.gateway.ready();

  const response = await fetch(`${running.url}/v2/models/shapes/infer`, {
    method: "POST",
    headers: { "inference-header-content-length": "0" },
    body: samplePicture("star"),
  });

  expect(response.status).toBe(200);
});
