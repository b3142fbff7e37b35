import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { float32Tensor, type ModelMetadata, type Tensor } from "@tensorgate/core";
import type { GatewayOptions, ModelOptions } from "@tensorgate/gateway";
import { DataType } from "@tensorgate/proto/tensorflow/framework";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import type { ReceivedPredictRequest } from "@tensorgate/tf-serving";
import { describe, expect, test } from "vitest";
import { type FakeReplica, type GrpcError, startFakeReplica } from "../support/fake-replica.ts";
import { classScores, ssdHead } from "../support/family-answers.ts";
import { samplePicture } from "../support/pictures.ts";
import { openGateway, shapesModel, startShapesGateway } from "../support/running-gateway.ts";

// Clients of FPGA containers (azureml-accel-models) name no model, no output, and tensors as the graph does; they retry
// whatever is not INVALID_ARGUMENT five times.

const star = samplePicture("star");
const familyOutputs = () =>
  new Map([
    ["output_alias", classScores(1_000, { 281: 1 })],
    ["features", float32Tensor([1, 1, 1, 2], Float32Array.of(1, 2))],
  ]);
const rawScores = "classifier_1/resnet_v1_50/predictions/Softmax:0";

interface Setting {
  readonly model?: ModelOptions;
  readonly dialect?: "azure-fpga";
  readonly metadata?: ModelMetadata["signatures"];
  readonly answer?: (request: ReceivedPredictRequest) => ReadonlyMap<string, Tensor> | GrpcError;
}

/** A gateway in front of a replica, which keeps the inputs that it gets. */
async function startInFront({ model, dialect, metadata, answer = familyOutputs }: Setting) {
  const received: { readonly name: string; readonly tensor: Tensor }[] = [];
  const replica: FakeReplica = await startFakeReplica({
    answer: (request) => {
      for (const name of request.inputNames) received.push({ name, tensor: request.input(name) });
      return answer(request);
    },
    ...(metadata && { signatures: metadata }),
  });
  const running = await openGateway({
    models: [model ?? { name: "resnet", family: "resnet-50" }],
    pools: [
      {
        model: "resnet",
        region: "westeurope",
        replicas: [replica.address],
        ...(dialect && { dialect }),
      },
    ],
  });
  await running.gateway.ready();
  return {
    url: running.url,
    received,
    [Symbol.asyncDispose]: async () => {
      await running[Symbol.asyncDispose]();
      await replica[Symbol.asyncDispose]();
    },
  };
}

const picture = {
  dtype: DataType.DT_STRING,
  tensorShape: { dim: [{ size: 1n }] },
  stringVal: [star],
};

interface Sent {
  readonly modelSpec?: { readonly name: string };
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a client of a container sends, and the names of the outputs that come back, or the status. */
async function predict(url: string, names: readonly string[], { headers, ...sent }: Sent = {}) {
  const client = createClient(PredictionService, createGrpcTransport({ baseUrl: url }));
  const inputs = Object.fromEntries(names.map((name) => [name, picture]));
  try {
    const response = await client.predict({ ...sent, inputs }, headers ? { headers } : {});
    return { outputs: Object.keys(response.outputs), model: response.modelSpec?.name };
  } catch (thrown) {
    const { code, rawMessage } = thrown as { code: number; rawMessage: string };
    return { code, message: rawMessage };
  }
}

const invalidArgument = 3;

describe("before a stock server", () => {
  test.each(["Placeholder:0", "Placeholder_1:0", "Placeholder_12:0", "images"])(
    "the input %s, and the only output is the scores under their name in the graph",
    async (name) => {
      await using running = await startInFront({});

      expect(await predict(running.url, [name])).toMatchObject({ outputs: [rawScores] });
      expect(running.received).toEqual([
        { name: "images", tensor: expect.objectContaining({ dtype: "BYTES", shape: [1] }) },
      ]);
    },
  );

  test("an empty model spec is the same as none", async () => {
    await using running = await startInFront({});

    const answer = await predict(running.url, ["Placeholder:0"], { modelSpec: { name: "" } });

    expect(answer).toMatchObject({ outputs: [rawScores] });
  });

  test("the name of the scores is that of the server's graph, if it is the same graph", async () => {
    const info = { dtype: "FP32", shape: [-1, 1_000] } as const;
    const metadata = (graphName: string): ModelMetadata["signatures"] =>
      new Map([
        [
          "serving_default",
          {
            inputs: new Map([["images", { dtype: "BYTES", shape: [-1], graphName: "in:0" }]]),
            outputs: new Map([["output_alias", { ...info, graphName }]]),
          },
        ],
      ]);
    const own = "classifier/resnet_v1_50/predictions/Softmax:0";
    await using same = await startInFront({ metadata: metadata(own) });
    await using other = await startInFront({ metadata: metadata("StatefulPartitionedCall:0") });

    expect(await predict(same.url, ["in:0"])).toMatchObject({ outputs: [own] });
    expect(await predict(other.url, ["in:0"])).toMatchObject({ outputs: [rawScores] });
  });

  test("a detector's outputs all have their names in the graph", async () => {
    await using running = await startInFront({
      model: { name: "resnet", family: "ssd-vgg" },
      answer: () => ssdHead([], { names: "alias" }),
    });

    const { outputs } = await predict(running.url, ["Placeholder:0"]);

    expect(outputs).toHaveLength(12);
    expect(outputs).toContain("ssd_300_vgg/block4_box/Reshape_1:0");
  });

  test("a model that takes pixels gets those of the picture", async () => {
    await using running = await startInFront({
      model: {
        name: "resnet",
        input: {
          tensor: { "tensorflow-serving": "pixels", "azure-fpga": "Placeholder_3:0" },
          kind: "pixels",
          heightPx: 4,
          widthPx: 4,
        },
        output: { output_alias: { holds: "probabilities" } },
      },
    });

    expect(await predict(running.url, ["Placeholder_3:0"])).toMatchObject({
      outputs: ["output_alias"],
    });
    expect(running.received).toEqual([
      { name: "pixels", tensor: expect.objectContaining({ dtype: "FP32", shape: [1, 4, 4, 3] }) },
    ]);
  });

  test("an unknown input is INVALID_ARGUMENT that says which there are", async () => {
    await using running = await startInFront({});

    expect(await predict(running.url, ["x:0"])).toEqual({
      code: invalidArgument,
      message: 'unknown input "x:0"; the model takes "Placeholder:0", "images"',
    });
    expect(await predict(running.url, ["Placeholder:0", "images"])).toMatchObject({
      code: invalidArgument,
    });
  });

  test.each([5, 9, 11, 12])("code %i of the replica is INVALID_ARGUMENT", async (code) => {
    await using running = await startInFront({ answer: () => ({ code, message: "no" }) });

    expect(await predict(running.url, ["Placeholder:0"])).toMatchObject({ code: invalidArgument });
  });
});

describe("before a container", () => {
  test.each([rawScores, "classifier/resnet_v1_50/predictions/Softmax:0"])(
    "the only output is %s, as the container has it",
    async (own) => {
      await using running = await startInFront({
        dialect: "azure-fpga",
        answer: () =>
          new Map([
            ["brainwave_target_node_1_Version_0.1:0", float32Tensor([1, 2], Float32Array.of(1, 2))],
            [own, classScores(1_000, { 281: 1 })],
          ]),
      });

      expect(await predict(running.url, ["images"])).toMatchObject({ outputs: [own] });
      expect(running.received).toMatchObject([{ name: "Placeholder:0" }]);
    },
  );
});

describe("before the embedded model server", () => {
  test("names of its graph get names of its graph, and its own ones its own", async () => {
    await using running = await startShapesGateway();

    expect(await predict(running.url, ["Placeholder:0"])).toMatchObject({ outputs: ["scores:0"] });
    expect(await predict(running.url, ["images:0"])).toMatchObject({ outputs: ["scores:0"] });
    expect(await predict(running.url, ["images"])).toMatchObject({ outputs: ["scores"] });
  });

  test("a model without a description has the names that the server reports", async () => {
    await using running = await startShapesGateway({ models: [{ name: "shapes" }] });

    expect(await predict(running.url, ["images:0"])).toMatchObject({
      outputs: expect.arrayContaining(["scores:0", "features:0"]),
    });
    expect(await predict(running.url, ["images"])).toMatchObject({
      outputs: expect.arrayContaining(["scores", "features"]),
    });
  });
});

describe("of several models", () => {
  const twoModels = (listen: GatewayOptions["listen"] = {}) => {
    const { labels, ...shapes } = shapesModel();
    return startShapesGateway({
      listen: { port: 0, ...listen },
      models: [shapesModel(), { ...shapes, name: "other" }],
    });
  };
  const route = (service: string) => ({
    headers: { "x-ms-aml-grpc-service-route": `/api/v1/service/${service}` },
  });

  test("the service route chooses one, and an unknown one is INVALID_ARGUMENT", async () => {
    await using running = await twoModels();

    expect(await predict(running.url, ["images"], route("shapes"))).toMatchObject({
      model: "shapes",
    });
    expect(await predict(running.url, ["images"], route("my-service"))).toMatchObject({
      code: invalidArgument,
    });
  });

  test("the listener's model is meant where there is no route", async () => {
    await using running = await twoModels({ model: "shapes" });

    expect(await predict(running.url, ["images"])).toMatchObject({ model: "shapes" });
    expect(await predict(running.url, ["images"], route(""))).toMatchObject({ model: "shapes" });
  });

  test("an unknown model of the listener is a fault of the configuration", async () => {
    await expect(twoModels({ model: "shape" })).rejects.toThrow(
      /listen\.model: unknown model "shape"/,
    );
  });
});
