import { float32Tensor, type TensorInfo } from "@tensorgate/core";
import { type BackendCapabilities, parseConfig } from "@tensorgate/gateway";
import { expect, test } from "vitest";
import { backendAddress } from "./backend-address.ts";
import { configText } from "./config-text.ts";
import { describedBackend } from "./described-backend.ts";

const bytes: TensorInfo = { dtype: "BYTES", shape: [-1], graphName: "Placeholder:0" };
const floats = (shape: readonly number[], graphName = "x:0"): TensorInfo => ({
  dtype: "FP32",
  shape,
  graphName,
});

interface Stock {
  readonly input?: TensorInfo;
  readonly outputs: Readonly<Record<string, TensorInfo>>;
  readonly sample?: Readonly<Record<string, readonly number[]>>;
  readonly model?: string;
}

function stock({ input = bytes, outputs, sample = {}, model = "m" }: Stock): BackendCapabilities {
  return {
    dialect: "tensorflow-serving",
    title: "TensorFlow Serving",
    namesModels: true,
    model,
    versions: [1n],
    signature: {
      inputs: new Map([["images", input]]),
      outputs: new Map(Object.entries(outputs)),
    },
    input: "images",
    outputs: new Map(
      Object.entries(sample).map(([name, values]) => [
        name,
        float32Tensor([1, values.length], Float32Array.from(values)),
      ]),
    ),
  };
}

test("a graph of a family is all that has to be known", () => {
  const graphName = "classifier/vgg_16/fc8/squeezed:0";

  const { model, doubts } = describedBackend(
    stock({ outputs: { output_alias: floats([-1, 1000], graphName) } }),
  );

  expect(model).toEqual({ name: "m", family: "vgg-16" });
  // A graph does not say what it was trained on.
  expect(doubts).toEqual([
    "the labels are assumed to be VGG-16's usual ones, ImageNet's 1000 classes; if it was trained on others, set labels: ./labels.txt",
  ]);
});

test("what a test picture gives tells probabilities from logits", () => {
  const outputs = { scores: floats([-1, 3]) };
  const holds = (values: readonly number[]) =>
    describedBackend(stock({ outputs, sample: { scores: values } })).model.output?.["scores"]
      ?.holds;

  expect(holds([0.5, 0.25, 0.25])).toBe("probabilities");
  expect(holds([4, -2, 1])).toBe("logits");
});

test("among several outputs scores and features are distinguished by name", () => {
  const { model } = describedBackend(
    stock({ outputs: { pooled_features: floats([-1, 9]), class_probabilities: floats([-1, 5]) } }),
  );

  expect(model.output).toEqual({
    class_probabilities: { holds: "probabilities" },
    pooled_features: { holds: "features" },
  });
});

test("a thousand scores of no family are taken for ImageNet's, with a doubt", () => {
  const { model, doubts } = describedBackend(stock({ outputs: { p: floats([-1, 1000]) } }));

  expect(model.labels).toBe("imagenet");
  expect(doubts.join()).toContain("check that its classes are ImageNet's");
});

test("planes of pixels are recognised, and what is done to them is doubtful", () => {
  const { model, doubts } = describedBackend(
    stock({ input: floats([-1, 3, 224, 224]), outputs: { p: floats([-1, 5]) } }),
  );

  expect(model.input).toEqual({
    tensor: "images",
    kind: "pixels",
    heightPx: 224,
    widthPx: 224,
    layout: "nchw",
  });
  expect(doubts.join()).toContain("set the mean and scale");
});

test("bytes of one channel are recognised, and the one score of a sigmoid", () => {
  const { model, doubts } = describedBackend(
    stock({
      input: { dtype: "UINT8", shape: [-1, 28, 28, 1] },
      outputs: { p: floats([-1, 1]) },
      sample: { p: [0.75] },
    }),
  );

  expect(model).toEqual({
    name: "m",
    input: {
      tensor: "images",
      kind: "pixels",
      heightPx: 28,
      widthPx: 28,
      channelOrder: "grayscale",
      dtype: "UINT8",
    },
    output: { p: { holds: "probabilities" } },
    classCount: 2,
  });
  expect(doubts.join()).toContain("one channel of luma");
  expect(doubts.join()).toContain("of the second of two classes");
});

test("a graph that decodes one picture gets a scalar, and answers without a batch", () => {
  const { model } = describedBackend(
    stock({ input: { dtype: "BYTES", shape: [] }, outputs: { p: floats([5]) } }),
  );

  expect(model.input).toEqual({ tensor: "images", kind: "encoded-image", scalar: true });
  expect(model.output).toEqual({ p: { holds: "probabilities" } });
});

test("an FPGA's container is described by its outputs and the name that took the picture", () => {
  const { model } = describedBackend({
    dialect: "azure-fpga",
    title: "an FPGA container, dialect azure-fpga",
    namesModels: false,
    model: "m",
    versions: [],
    input: "Placeholder_1:0",
    outputs: new Map([
      [
        "classifier_1/resnet_v1_50/predictions/Softmax:0",
        float32Tensor([1, 1000], new Float32Array(1000)),
      ],
    ]),
  });

  expect(model).toEqual({
    name: "m",
    family: "resnet-50",
    input: { tensor: "Placeholder_1:0" },
  });
});

test("what is written is read as it was meant, doubts and odd names and all", () => {
  const model = {
    name: "on: my #1 model",
    input: { tensor: "a:0", kind: "encoded-image" as const },
    output: { "p q": { holds: "probabilities" as const } },
    labels: ["yes", "no"],
  };
  const pool = { model: model.name, region: "no", replicas: ["[::1]:8500"], tls: {} };

  const text = configText({ region: "no", model, pool, doubts: ["is it?"], origin: "Found." });

  expect(text).toContain("# check: is it?");
  expect(parseConfig(text, "x.yaml")).toMatchObject({
    region: "no",
    models: [model],
    pools: [pool],
  });
});

test.each([
  "2 root error(s) found.\n  (0) INVALID_ARGUMENT: Unable to decode\n\t [[{{node map/DecodeJpeg}}]]\n0 successful operations.",
  "models:\r  - name: other",
  "a\u2028b\u0085c\u0000d",
])("the text of a server stays within its comment: %j", (doubt) => {
  const model = { name: "m" };
  const pool = { model: "m", region: "r", replicas: ["h:1"] };

  const text = configText({ region: "r", model, pool, doubts: [doubt], origin: doubt });

  expect(text.split("\n")).toHaveLength(10);
  expect(parseConfig(text, "x.yaml")).toMatchObject({ models: [model], pools: [pool] });
});

test.each([
  ["grpc://h:1", { address: "h:1", isTls: false }],
  ["h:8500", { address: "h:8500", isTls: false }],
  ["grpc://h", { address: "h:8500", isTls: false }],
  ["grpcs://h", { address: "h:443", isTls: true }],
  ["grpc://[::1]:9", { address: "[::1]:9", isTls: false }],
])("%s is an address", (text, address) => {
  expect(backendAddress(text)).toEqual(address);
});

test.each(["http://h:8501", "grpc://", "a b"])("%s is no address, and says what is", (text) => {
  expect(() => backendAddress(text)).toThrow("expected grpc://host:port");
});
