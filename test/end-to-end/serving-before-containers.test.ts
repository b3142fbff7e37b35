import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { float32Tensor, type Tensor } from "@tensorgate/core";
import type { ModelOptions } from "@tensorgate/gateway";
import { DataType } from "@tensorgate/proto/tensorflow/framework";
import { SignatureDefMapSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { ModelService } from "@tensorgate/proto/tensorflow_serving/model_service";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import { describe, expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { openGateway } from "../support/running-gateway.ts";

// Clients of TensorFlow Serving before a container on an FPGA, which has nothing but Predict, and the graph's names.

const star = samplePicture("star");
const features = "brainwave_target_node_1_Version_0.1:0";
const scores = "classifier/resnet_v1_50/predictions/Softmax:0";

async function startInFront(model: ModelOptions = { name: "resnet", family: "resnet-50" }) {
  const received: { readonly name: string; readonly tensor: Tensor }[] = [];
  const replica = await startFakeReplica({
    isPredictOnly: true,
    answer: (request) => {
      const [name] = request.inputNames;
      if (name === undefined) return { code: 3, message: "no inputs" };
      const tensor = request.input(name);
      received.push({ name, tensor });
      const rows = tensor.shape[0] ?? 1;
      const values = Array.from({ length: rows }, () => [0, 0.75]).flat();
      return new Map([
        [features, float32Tensor([rows, 1], new Float32Array(rows))],
        [scores, float32Tensor([rows, 2], Float32Array.from(values))],
      ]);
    },
  });
  const running = await openGateway({
    models: [model],
    pools: [
      {
        model: model.name,
        region: "westeurope",
        dialect: "azure-fpga",
        replicas: [replica.address],
      },
    ],
  });
  await running.gateway.ready();
  const transport = createGrpcTransport({ baseUrl: running.url });
  return {
    received,
    rest: async (path: string, body?: unknown) => {
      const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
      const response = await fetch(`${running.url}/v1/models/${path}`, init);
      return { status: response.status, answer: await response.json() };
    },
    prediction: createClient(PredictionService, transport),
    models: createClient(ModelService, transport),
    [Symbol.asyncDispose]: async () => {
      await running[Symbol.asyncDispose]();
      await replica[Symbol.asyncDispose]();
    },
  };
}

const b64 = { b64: Buffer.from(star).toString("base64") };
const picture = (count: number) => ({
  dtype: DataType.DT_STRING,
  tensorShape: { dim: [{ size: BigInt(count) }] },
  stringVal: Array.from({ length: count }, () => star),
});

describe("pictures", () => {
  test("by REST have the names of a stock server, in rows and in columns", async () => {
    await using running = await startInFront();

    const rows = await running.rest("resnet:predict", { instances: [b64, { b64: b64.b64 }] });
    const columns = await running.rest("resnet:predict", { inputs: { images: [b64] } });

    const row = { output_alias: [0, 0.75], features: [0] };
    expect(rows).toEqual({ status: 200, answer: { predictions: [row, row] } });
    expect(columns.answer).toEqual({ outputs: { output_alias: [[0, 0.75]], features: [[0]] } });
    expect(running.received).toMatchObject([
      { name: "Placeholder:0", tensor: { dtype: "BYTES", shape: [2] } },
      { name: "Placeholder:0", tensor: { shape: [1] } },
    ]);
  });

  test("by gRPC have them too, or those of the graph where the client knows it", async () => {
    await using running = await startInFront();
    const ask = (input: string, outputFilter: readonly string[] = []) =>
      running.prediction.predict({
        modelSpec: { name: "resnet" },
        inputs: { [input]: picture(1) },
        outputFilter: [...outputFilter],
      });

    const stock = await ask("images");
    const filtered = await ask("images", ["output_alias"]);
    const graph = await ask("Placeholder:0", [scores]);

    expect(Object.keys(stock.outputs).toSorted()).toEqual(["features", "output_alias"]);
    expect(stock.modelSpec).toMatchObject({ name: "resnet", signatureName: "serving_default" });
    expect(Object.keys(filtered.outputs)).toEqual(["output_alias"]);
    expect(Object.keys(graph.outputs)).toEqual([scores]);
    expect(running.received.map(({ name }) => name)).toEqual(Array(3).fill("Placeholder:0"));
  });

  test("to a container that takes pixels are prepared", async () => {
    await using running = await startInFront({
      name: "resnet",
      input: {
        tensor: { "tensorflow-serving": "pixels", "azure-fpga": "Placeholder:0" },
        kind: "pixels",
        heightPx: 4,
        widthPx: 4,
        dtype: "UINT8",
      },
      output: { probabilities: { holds: "probabilities", tensor: { "azure-fpga": scores } } },
    });

    const { answer } = await running.rest("resnet:predict", { instances: [b64] });
    const pixels = Array.from({ length: 4 }, () => Array.from({ length: 4 }, () => [255, 0, 0]));
    await running.rest("resnet:predict", { instances: [pixels] });

    expect(answer).toMatchObject({ predictions: [{ probabilities: [0, 0.75] }] });
    expect(running.received).toMatchObject(
      Array(2).fill({ name: "Placeholder:0", tensor: { dtype: "UINT8", shape: [1, 4, 4, 3] } }),
    );
  });
});

test("the signature in the metadata is that of the configuration", async () => {
  await using running = await startInFront();

  const { answer } = await running.rest("resnet/metadata");
  const { metadata, modelSpec } = await running.prediction.getModelMetadata({
    modelSpec: { name: "resnet" },
    metadataField: ["signature_def"],
  });

  const map =
    metadata["signature_def"] && anyUnpack(metadata["signature_def"], SignatureDefMapSchema);
  expect(modelSpec?.name).toBe("resnet");
  const signature = map?.signatureDef["serving_default"];
  expect(signature?.inputs["images"]).toMatchObject({
    dtype: DataType.DT_STRING,
    encoding: { case: "name", value: "Placeholder:0" },
  });
  expect(Object.keys(signature?.outputs ?? {})).toEqual(["output_alias", "features"]);
  expect(answer).toMatchObject({
    metadata: {
      signature_def: { signature_def: { serving_default: { inputs: { images: {} } } } },
    },
  });
});

test("the status is that of a version 0, and there is no other", async () => {
  await using running = await startInFront();

  const { modelVersionStatus } = await running.models.getModelStatus({
    modelSpec: { name: "resnet" },
  });

  expect(modelVersionStatus).toMatchObject([{ version: 0n, state: 30 }]);
  expect(await running.rest("resnet/versions/7")).toEqual({
    status: 404,
    answer: { error: "Could not find version 7 of model resnet" },
  });
});

test("what a container cannot do is said in so many words", async () => {
  await using running = await startInFront();
  await using unknown = await startInFront({ name: "plain" });
  const refusal = async (asked: Promise<unknown>) =>
    ConnectError.from(await asked.catch((thrown) => thrown)).message;

  expect(await refusal(running.prediction.classify({ modelSpec: { name: "resnet" } }))).toBe(
    "[unimplemented] an FPGA container supports only Predict, not Classify",
  );
  const filter = { modelSpec: { name: "resnet" }, inputs: { images: picture(1) } };
  expect(await refusal(running.prediction.predict({ ...filter, outputFilter: ["no"] }))).toBe(
    "[invalid_argument] output tensor alias not found in signature: no Outputs expected to be in the set {features,output_alias}.",
  );
  expect(
    await refusal(
      running.prediction.predict({ ...filter, outputFilter: ["features", "features"] }),
    ),
  ).toBe("[invalid_argument] duplicate output tensor alias: features");
  expect(await unknown.rest("plain:predict", { instances: [b64] })).toEqual({
    status: 501,
    answer: {
      error:
        'the FPGA container of model "plain" does not report its tensors: the configuration must name its family, or describe its input',
    },
  });
});
