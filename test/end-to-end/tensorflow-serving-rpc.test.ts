import { create, createRegistry, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { credentials, makeGenericClientConstructor } from "@grpc/grpc-js";
import { PredictionClient } from "@tensorgate/client";
import { DataType, TensorProtoSchema } from "@tensorgate/proto/tensorflow/framework";
import { SignatureDefMapSchema } from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
import { ModelService } from "@tensorgate/proto/tensorflow_serving/model_service";
import { PredictRequestSchema } from "@tensorgate/proto/tensorflow_serving/predict";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import {
  openGateway,
  type RunningGateway,
  shapesModel,
  startShapesGateway,
} from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

const labels = shapesModel().labels as readonly string[];

function predictRequest(spec: { name: string } | undefined, outputFilter: readonly string[] = []) {
  return create(PredictRequestSchema, {
    ...(spec && { modelSpec: spec }),
    inputs: {
      images: {
        dtype: DataType.DT_STRING,
        tensorShape: { dim: [{ size: 1n }] },
        stringVal: [samplePicture("star")],
      },
    },
    outputFilter: [...outputFilter],
  });
}

const options = () => ({ baseUrl: running.url });

const transports: readonly { name: string; make: () => Transport }[] = [
  { name: "gRPC", make: () => createGrpcTransport(options()) },
  { name: "gRPC-Web", make: () => createGrpcWebTransport({ ...options(), httpVersion: "1.1" }) },
  { name: "Connect", make: () => createConnectTransport({ ...options(), httpVersion: "1.1" }) },
  {
    name: "Connect in JSON",
    make: () =>
      createConnectTransport({
        ...options(),
        httpVersion: "1.1",
        useBinaryFormat: false,
        jsonOptions: { registry: createRegistry(SignatureDefMapSchema) },
      }),
  },
];

describe.each(transports)("over $name", ({ make }) => {
  test("a picture is scored, and the answer says by which version and signature", async () => {
    const client = createClient(PredictionService, make());

    const response = await client.predict(predictRequest({ name: "shapes" }));

    const scores = response.outputs["scores"]?.floatVal ?? [];
    expect(labels[scores.indexOf(Math.max(...scores))]).toBe("star");
    expect(response.outputs["features"]?.floatVal).toHaveLength(96);
    expect(response.modelSpec).toMatchObject({
      name: "shapes",
      signatureName: "serving_default",
      versionChoice: { case: "version", value: { value: 1n } },
    });
  });

  test("a call that names no model means the only one", async () => {
    const client = createClient(PredictionService, make());

    const response = await client.predict(predictRequest(undefined, ["scores"]));

    expect(Object.keys(response.outputs)).toEqual(["scores"]);
    expect(response.modelSpec?.name).toBe("shapes");
  });

  test.each([
    {
      name: "an unknown model",
      request: predictRequest({ name: "nope" }),
      code: Code.NotFound,
      message: "Servable not found for request: Latest(nope)",
    },
    {
      name: "an unknown output",
      request: predictRequest({ name: "shapes" }, ["nope"]),
      code: Code.InvalidArgument,
      message:
        "output tensor alias not found in signature: nope Outputs expected to be in the set {features,scores}.",
    },
  ])("$name is refused as the original refuses it", async ({ request, code, message }) => {
    const client = createClient(PredictionService, make());

    const error = ConnectError.from(await client.predict(request).catch((thrown) => thrown));

    expect({ code: error.code, message: error.rawMessage }).toEqual({ code, message });
  });

  test("the gateway returns a model's status and signatures", async () => {
    const status = await createClient(ModelService, make()).getModelStatus({
      modelSpec: { name: "shapes" },
    });
    const metadata = await createClient(PredictionService, make()).getModelMetadata({
      modelSpec: { name: "shapes" },
      metadataField: ["signature_def"],
    });

    expect(status.modelVersionStatus).toMatchObject([{ version: 1n, state: 30 }]);
    expect(metadata.modelSpec?.name).toBe("shapes");
    expect(metadata.metadata["signature_def"]?.typeUrl).toBe(
      "type.googleapis.com/tensorflow.serving.SignatureDefMap",
    );
  });
});

test.each([
  {
    name: "no field",
    metadataField: [],
    message: "GetModelMetadataRequest must specify at least one metadata_field",
  },
  { name: "another field", metadataField: ["x"], message: "Metadata field x is not supported" },
])("metadata of $name is refused", async ({ metadataField, message }) => {
  const client = createClient(PredictionService, createGrpcTransport(options()));
  const asked = client.getModelMetadata({ modelSpec: { name: "shapes" }, metadataField });
  const error = ConnectError.from(await asked.catch((thrown) => thrown));
  expect(error.rawMessage).toBe(message);
});

test("calls of several models that name none are refused as the original refuses them", async () => {
  const { labels: _, ...shapes } = shapesModel();
  await using several = await startShapesGateway({
    models: [shapesModel(), { ...shapes, name: "other" }],
  });
  const transport = createGrpcTransport({ baseUrl: several.url });
  const prediction = createClient(PredictionService, transport);
  const models = createClient(ModelService, transport);
  const refusal = async (asked: Promise<unknown>) =>
    ConnectError.from(await asked.catch((thrown) => thrown)).message;
  const modelSpec = { name: "" };

  expect(await refusal(models.getModelStatus({ modelSpec }))).toBe(
    "[not_found] Could not find any versions of model ",
  );
  expect(await refusal(models.getModelStatus({}))).toBe("[invalid_argument] Missing ModelSpec");
  expect(await refusal(prediction.getModelMetadata({ modelSpec }))).toBe(
    "[invalid_argument] GetModelMetadataRequest must specify at least one metadata_field",
  );
  expect(
    await refusal(prediction.getModelMetadata({ modelSpec, metadataField: ["signature_def"] })),
  ).toBe("[invalid_argument] ModelSpec has no name specified.");
  expect(await refusal(prediction.getModelMetadata({}))).toBe(
    "[invalid_argument] Missing ModelSpec",
  );
  expect(await refusal(prediction.multiInference({}))).toBe(
    "[invalid_argument] ModelSpec has no name specified.",
  );
});

test("a version that is not there is not found", async () => {
  const client = createClient(PredictionService, createGrpcTransport(options()));
  const asked = client.predict({
    modelSpec: { name: "shapes", versionChoice: { case: "version", value: { value: 9n } } },
  });
  const error = ConnectError.from(await asked.catch((thrown) => thrown));
  expect({ code: error.code, message: error.rawMessage }).toEqual({
    code: Code.NotFound,
    message: "Servable not found for request: Specific(shapes, 9)",
  });
});

test("the gateway of another region gets a call as it came", async () => {
  await using near = await openGateway({
    region: "eastus",
    pools: [{ model: "shapes", region: "westeurope", gateway: running.url }],
  });
  await near.gateway.ready();
  const client = createClient(PredictionService, createGrpcTransport({ baseUrl: near.url }));

  const response = await client.predict(predictRequest({ name: "shapes" }, ["scores"]));

  expect(Object.keys(response.outputs)).toEqual(["scores"]);
  expect(response.modelSpec).toMatchObject({ name: "shapes", signatureName: "serving_default" });
});

test("a tensor that cannot be read is the caller's fault, also where a replica needs it decoded", async () => {
  await using replica = await startFakeReplica({ answer: shapesOutputs });
  const pool = { model: "shapes", region: "westeurope", dialect: "azure-fpga" as const };
  const internalErrors: unknown[] = [];
  await using container = await openGateway(
    { pools: [{ ...pool, replicas: [replica.address] }] },
    { onInternalError: (error) => internalErrors.push(error) },
  );
  await container.gateway.ready();
  const client = createClient(PredictionService, createGrpcTransport({ baseUrl: container.url }));
  const request = predictRequest({ name: "shapes" });
  const images = create(TensorProtoSchema, {
    dtype: DataType.DT_FLOAT,
    tensorShape: { dim: [{ size: 1n }] },
    tensorContent: new Uint8Array(3),
  });

  const asked = client.predict({ ...request, inputs: { images } });
  const error = ConnectError.from(await asked.catch((thrown) => thrown));

  expect({ code: error.code, message: error.rawMessage }).toEqual({
    code: Code.InvalidArgument,
    message: "tensor parsing error: images",
  });
  expect(internalErrors).toEqual([]);
});

test("a status message reaches grpc-js as it was written", async () => {
  const Generic = makeGenericClientConstructor({}, "generic");
  const client = new Generic(new URL(running.url).host, credentials.createInsecure());
  const bytes = (each: Buffer) => each;
  const message = Buffer.from(
    toBinary(PredictRequestSchema, predictRequest({ name: "a/b: c,d " })),
  );

  const details = await new Promise((resolve) => {
    const method = "/tensorflow.serving.PredictionService/Predict";
    client.makeUnaryRequest(method, bytes, bytes, message, (error) => resolve(error?.details));
  });
  client.close();

  expect(details).toBe("Servable not found for request: Latest(a/b: c,d )");
});

test("models are not loaded by callers", async () => {
  const client = createClient(ModelService, createGrpcTransport(options()));
  const error = ConnectError.from(
    await client.handleReloadConfigRequest({}).catch((thrown) => thrown),
  );
  expect(error.code).toBe(Code.Unimplemented);
});

test("a client of model servers is pointed at the gateway unchanged", async () => {
  const { hostname, port } = new URL(running.url);
  await using client = new PredictionClient({
    address: hostname,
    port: Number(port),
    model: "shapes",
  });

  const scores = await client.scoreTensors(
    { images: { data: [samplePicture("star")], shape: [1] } },
    { outputs: "scores" },
  );

  const values = [...(scores.data as Float32Array)];
  expect(labels[values.indexOf(Math.max(...values))]).toBe("star");
});
