import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { float32Tensor, type ModelMetadata, type Signature } from "@tensorgate/core";
import { inspectBackend, type ModelOptions, systemClockAndRandom } from "@tensorgate/gateway";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { describe, expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { openGateway } from "../support/running-gateway.ts";

const star = Uint8Array.from(samplePicture("star"));

const takesPicture: Signature = {
  inputs: new Map([["images", { dtype: "BYTES", shape: [-1], graphName: "images:0" }]]),
  outputs: new Map([["scores", { dtype: "FP32", shape: [-1, 2], graphName: "scores:0" }]]),
  methodName: "tensorflow/serving/predict",
};
const takesExamples: Signature = { ...takesPicture, methodName: "tensorflow/serving/classify" };
const takesNothing: Signature = { inputs: new Map(), outputs: new Map() };
const takesTwo: Signature = {
  ...takesPicture,
  inputs: new Map([...takesPicture.inputs, ["other", { dtype: "FP32", shape: [-1] }]]),
};

/** A replica that keeps the names of the signatures that it is asked by; it fails those in `failing`. */
async function startReplica(
  signatures: ModelMetadata["signatures"],
  failing: readonly string[] = [],
) {
  const asked: (string | undefined)[] = [];
  const replica = await startFakeReplica({
    signatures,
    answer: ({ modelSpec }) => {
      const name = modelSpec?.signatureName ?? "";
      asked.push(name);
      if (failing.includes(name)) return { code: 3, message: "Could not parse example input" };
      return new Map([["scores", float32Tensor([1, 2], Float32Array.of(0.25, 0.75))]]);
    },
  });
  return { ...replica, asked };
}

async function startInFront(
  signatures: ModelMetadata["signatures"],
  { signature }: Pick<ModelOptions, "signature"> = {},
) {
  const replica = await startReplica(signatures);
  const running = await openGateway({
    models: [
      {
        name: "m",
        ...(signature !== undefined && { signature }),
        input: { tensor: "images" },
        output: { scores: { holds: "probabilities" } },
        labels: ["no", "yes"],
      },
    ],
    pools: [{ model: "m", region: "westeurope", replicas: [replica.address] }],
  });
  await running.gateway.ready();
  return {
    url: running.url,
    asked: replica.asked,
    [Symbol.asyncDispose]: async () => {
      await running[Symbol.asyncDispose]();
      await replica[Symbol.asyncDispose]();
    },
  };
}

async function classify(url: string, query = ""): Promise<number> {
  const response = await fetch(`${url}/v1/classify/m${query}`, { method: "POST", body: star });
  await response.arrayBuffer();
  return response.status;
}

const twoSignatures = new Map([
  ["serving_default", takesTwo],
  ["bytes", takesPicture],
]);

describe("a picture is scored by", () => {
  test("the signature of the configuration", async () => {
    await using running = await startInFront(twoSignatures, { signature: "bytes" });

    expect(await classify(running.url)).toBe(200);
    expect(running.asked).toEqual(["bytes"]);
  });

  test("the signature of the query, whatever the configuration says", async () => {
    await using running = await startInFront(twoSignatures, { signature: "bytes" });

    expect(await classify(running.url, "?signature=other")).toBe(200);
    expect(running.asked).toEqual(["other"]);
  });

  test("the only one of a server without serving_default", async () => {
    await using running = await startInFront(
      new Map([
        ["__saved_model_init_op", takesNothing],
        ["bytes", takesPicture],
      ]),
    );

    expect(await classify(running.url)).toBe(200);
    expect(running.asked).toEqual(["bytes"]);
  });

  test.each([
    { name: "serving_default where there is one", signatures: twoSignatures },
    {
      name: "none where that would be a guess",
      signatures: new Map([
        ["a", takesPicture],
        ["b", takesPicture],
      ]),
    },
  ])("$name", async ({ signatures }) => {
    await using running = await startInFront(signatures);

    await classify(running.url);
    expect(running.asked).toEqual([""]);
  });
});

test("tensors are scored by the signature of the configuration, but by TensorFlow Serving's API", async () => {
  await using running = await startInFront(twoSignatures, { signature: "bytes" });
  const transport = createGrpcTransport({ baseUrl: running.url });
  const elements = { case: "elements" as const, value: { elements: [star] } };
  const images = { dtype: "BYTES", shape: [1n], values: elements };

  await createClient(ScoringService, transport).predict({
    modelSpec: { name: "m" },
    inputs: { images },
  });
  await createClient(PredictionService, transport).predict({
    modelSpec: { name: "m" },
    inputs: { images: { dtype: 7, stringVal: [star] } },
  });

  expect(running.asked).toEqual(["bytes", ""]);
});

test("the catalog describes the signature of the configuration", async () => {
  const embeds: Signature = {
    ...takesPicture,
    outputs: new Map([["scores", { dtype: "FP32", shape: [-1, 7] }]]),
  };
  await using running = await startInFront(new Map([...twoSignatures, ["wide", embeds]]), {
    signature: "wide",
  });

  const response = await fetch(`${running.url}/v1/catalog/m`);

  expect(await response.json()).toMatchObject({ outputs: [{ name: "scores", shape: [-1, 7] }] });
});

describe("attach chooses", () => {
  const { clock } = systemClockAndRandom;
  const inspected = async (
    signatures: ModelMetadata["signatures"],
    failing: readonly string[] = [],
  ) => {
    await using replica = await startReplica(signatures, failing);
    const { address } = replica;
    return await inspectBackend({ address, models: ["m"], timeoutMs: 5_000, clock });
  };

  test.each([
    {
      name: "the one that takes a picture",
      signatures: twoSignatures,
      signatureName: "bytes",
      otherSignatures: ["serving_default"],
    },
    {
      name: "serving_default among several",
      signatures: new Map([
        ["a", takesPicture],
        ["serving_default", takesPicture],
      ]),
      signatureName: "serving_default",
      otherSignatures: ["a"],
    },
    {
      name: "one that predicts before one that takes examples",
      signatures: new Map([
        ["serving_default", takesExamples],
        ["predict_images", takesPicture],
        ["__saved_model_init_op", takesNothing],
      ]),
      signatureName: "predict_images",
      otherSignatures: ["serving_default"],
    },
  ])("$name", async ({ signatures, signatureName, otherSignatures }) => {
    const found = await inspected(signatures);

    expect(found).toMatchObject({ signatureName, otherSignatures });
    expect(found.failure).toBeUndefined();
  });

  test("the one that answers a picture, if the likelier one does not", async () => {
    const found = await inspected(
      new Map([
        ["serving_default", takesPicture],
        ["bytes", takesPicture],
      ]),
      ["serving_default"],
    );

    expect(found).toMatchObject({ signatureName: "bytes", input: "images" });
  });
});
