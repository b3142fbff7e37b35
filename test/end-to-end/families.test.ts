import { float32Tensor, type Tensor } from "@tensorgate/core";
import type { GatewayOptions, ModelOptions, PoolOptions } from "@tensorgate/gateway";
import sharp from "sharp";
import { afterEach, expect, test } from "vitest";
import {
  type FakeReplica,
  type FakeReplicaOptions,
  startFakeReplica,
} from "../support/fake-replica.ts";
import { classScores, ssdHead } from "../support/family-answers.ts";
import { samplePicture } from "../support/pictures.ts";
import { startGateway } from "../support/running-gateway.ts";

const running: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of running.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

const star = samplePicture("star");
const azure = { dialect: "azure-fpga" } as const;

interface Setting {
  readonly model: ModelOptions;
  readonly pool?: Partial<PoolOptions>;
  readonly replica?: FakeReplicaOptions;
  readonly options?: Partial<GatewayOptions>;
}

/** A gateway in front of a replica that answers as it is told. */
async function started({ model, pool, replica: behaviour, options }: Setting) {
  const isPredictOnly = pool?.dialect?.startsWith("azure-fpga") ?? false;
  const replica: FakeReplica = await startFakeReplica({ isPredictOnly, ...behaviour });
  running.push(replica);
  const pools = [{ model: model.name, region: "westeurope", replicas: [replica.address], ...pool }];
  const gateway = await startGateway({}, { models: [model], pools, ...options });
  running.push(gateway);
  const post = async (path: string, body: Uint8Array<ArrayBuffer> | FormData = star) => {
    const response = await fetch(`${gateway.url}${path}`, { method: "POST", body });
    const json = (await response.json()) as Record<string, never>;
    return { status: response.status, json };
  };
  return { replica, gateway, post };
}

const answering = (outputs: Readonly<Record<string, Tensor>>) => ({
  answer: () => new Map(Object.entries(outputs)),
});

test.each([
  "classifier/resnet_v1_50/predictions/Softmax:0",
  "classifier_1/resnet_v1_50/predictions/Softmax:0",
  "classifier_12/resnet_v1_50/predictions/Softmax:0",
])("an FPGA's %s, beside its features, gives labels", async (output) => {
  const features = float32Tensor([1, 1, 1, 2048], new Float32Array(2048).fill(0.5));
  const { post } = await started({
    model: { name: "resnet50", family: "resnet-50" },
    pool: azure,
    replica: {
      encoding: "content",
      ...answering({
        "brainwave_target_node_1_Version_0.1:0": features,
        [output]: classScores(1000, { 517: 0.75, 134: 0.125 }),
      }),
    },
  });

  const { json } = await post("/v1/classify/resnet50?topK=2");
  expect(json).toMatchObject({
    model: { name: "resnet50" },
    region: "westeurope",
    results: [
      {
        labels: [
          { index: 517, label: "crane", score: 0.75 },
          { index: 134, label: "crane", score: 0.125 },
        ],
      },
    ],
  });
  const embedded = await post("/v1/embed/resnet50");
  expect(embedded.json).toMatchObject({ results: [{ features: Array(2048).fill(0.5) }] });
});

test("a request to an FPGA names the graph's input and no model, and carries route and key", async () => {
  const seen: unknown[] = [];
  const { post } = await started({
    model: { name: "resnet50", family: "resnet-50" },
    pool: {
      ...azure,
      service: "my-service",
      key: { value: "secret", allowInConfiguration: true },
    },
    replica: {
      answer: (request, headers) => {
        if (request.inputNames.length > 0) {
          seen.push({
            spec: request.modelSpec,
            filter: request.outputFilter,
            names: request.inputNames,
            picture: request.input("Placeholder:0"),
            route: headers["x-ms-aml-grpc-service-route"],
            key: headers.authorization,
          });
        }
        return new Map([["anything:0", classScores(1000, { 0: 1 })]]);
      },
    },
  });

  const { json } = await post("/v1/classify/resnet50?topK=1");

  expect(json).toMatchObject({
    results: [{ labels: [{ index: 0, label: "tench, Tinca tinca" }] }],
  });
  expect(seen).toEqual([
    {
      spec: { name: "", signatureName: "" },
      filter: [],
      names: ["Placeholder:0"],
      picture: { dtype: "BYTES", shape: [1], elements: [Buffer.from(star)] },
      route: "/api/v1/service/my-service",
      key: "Bearer secret",
    },
  ]);
});

test("the preview's container is asked by alias, with its key as it is", async () => {
  let seen: unknown;
  const { post } = await started({
    model: { name: "resnet50", family: "resnet-50" },
    pool: {
      dialect: "azure-fpga-preview",
      key: { value: "secret", allowInConfiguration: true },
    },
    replica: {
      answer: (request, headers) => {
        seen = [request.inputNames, headers.authorization];
        return new Map([["output_alias", classScores(1000, { 0: 1 })]]);
      },
    },
  });

  expect((await post("/v1/classify/resnet50")).status).toBe(200);
  expect(seen).toEqual([["images"], "secret"]);
});

test("VGG-16's logits become probabilities", async () => {
  const { post } = await started({
    model: { name: "vgg16", family: "vgg-16" },
    pool: azure,
    replica: answering({ "classifier/vgg_16/fc8/squeezed:0": classScores(1000, { 5: 10, 6: 9 }) }),
  });

  const { json } = await post("/v1/classify/vgg16?topK=2");

  const sum = Math.exp(10) + Math.exp(9) + 998;
  const [first, second] =
    (json["results"] as unknown as { labels: { score: number }[] }[])[0]?.labels ?? [];
  expect(Math.abs((first?.score ?? 0) - Math.exp(10) / sum)).toBeLessThan(1e-6);
  expect(Math.abs((second?.score ?? 0) - Math.exp(9) / sum)).toBeLessThan(1e-6);
});

test("of 1001 classes the background is left out", async () => {
  const { post } = await started({
    model: { name: "resnet50", family: "resnet-50" },
    replica: answering({ output_alias: classScores(1001, { 0: 0.5, 1: 0.25 }) }),
  });

  const { json } = await post("/v1/classify/resnet50?topK=1");

  expect(json).toMatchObject({
    results: [{ labels: [{ index: 0, label: "tench, Tinca tinca", score: 0.25 }] }],
  });
});

test.each([
  { scores: classScores(998, {}), status: 501, text: "returned 998 scores, but 1000 labels" },
  {
    scores: classScores(1000, { 3: Number.NaN }),
    status: 502,
    text: "1 of 1000 scores is NaN",
  },
  {
    scores: float32Tensor([2, 500], new Float32Array(1000)),
    status: 502,
    text: "FP32 of shape [2,500]",
  },
])("an answer that means nothing is told: $text", async ({ scores, status, text }) => {
  const { post } = await started({
    model: { name: "resnet50", family: "resnet-50" },
    replica: answering({ output_alias: scores }),
  });

  const answer = await post("/v1/classify/resnet50");

  expect(answer.status).toBe(status);
  expect(answer.json["detail"]).toContain(text);
});

test("a missing output is reported with those that are there", async () => {
  const { post } = await started({
    model: { name: "resnet50", family: "resnet-50" },
    replica: answering({ a: classScores(10, {}), b: classScores(10, {}) }),
  });

  expect((await post("/v1/classify/resnet50")).json).toMatchObject({
    detail: 'the model\'s response has no output "output_alias"',
    hint: "its outputs: a, b",
  });
});

test("a custom classifier on a featurizer is described beside the family", async () => {
  const { post } = await started({
    model: {
      name: "cats",
      family: "resnet-50",
      input: { tensor: { "azure-fpga": "Placeholder_1:0" } },
      output: { scores: { tensor: "classifier_output/Softmax:0", holds: "probabilities" } },
      labels: ["cat", "dog"],
    },
    pool: azure,
    replica: {
      answer: (request) =>
        request.inputNames[0] === "Placeholder_1:0"
          ? new Map([
              ["brainwave_target_node_1_Version_0.1:0", classScores(2048, {})],
              ["classifier_output/Softmax:0", classScores(2, { 1: 0.75 })],
            ])
          : { code: 2, message: "no such input" },
    },
  });

  const { json } = await post("/v1/classify/cats?topK=1");

  expect(json).toMatchObject({ results: [{ labels: [{ index: 1, label: "dog", score: 0.75 }] }] });
});

test("the container's null reference becomes the name that it wants", async () => {
  const { post } = await started({
    model: { name: "resnet50", family: "resnet-50", input: { tensor: "wrong:0" } },
    pool: azure,
    replica: {
      answer: () => ({
        code: 2,
        message: "Object reference not set to an instance of an object.",
      }),
    },
  });

  const { status, json } = await post("/v1/classify/resnet50");

  expect(status).toBe(400);
  expect(json).toMatchObject({
    reason: "upstream-answered",
    detail: 'the container rejected the inputs "wrong:0"',
    hint: expect.stringContaining("input.tensor of the model"),
  });
});

test("a device that is being flashed is warming, and says when to retry", async () => {
  let isFlashing = false;
  const { post, gateway } = await started({
    model: { name: "resnet50", family: "resnet-50" },
    pool: azure,
    replica: {
      answer: () =>
        isFlashing
          ? { code: 14, message: "flashing" }
          : new Map([["x", classScores(1000, { 0: 1 })]]),
    },
    options: { routing: { initialEjectionMs: 60_000 } },
  });
  expect((await post("/v1/classify/resnet50")).status).toBe(200);

  isFlashing = true;
  const during = await post("/v1/classify/resnet50");
  const after = await post("/v1/classify/resnet50");

  expect([during.status, during.json["reason"]]).toEqual([503, "model-not-ready"]);
  expect(after.json).toMatchObject({ reason: "model-not-ready", retryAfterMs: 60_000 });
  const ready = await fetch(`${gateway.url}/readyz`);
  expect(await ready.text()).toContain("0 of 1 pools can serve");
});

const planted = [
  { layer: 1, row: 9, column: 9, anchor: 4, classIndex: 12, logit: 8, offsets: [1, -1, 0.5, -0.5] },
  // The same object, found once more, a little worse.
  { layer: 1, row: 9, column: 9, anchor: 2, classIndex: 12, logit: 5, offsets: [1, -1, 0.9, -0.9] },
  { layer: 5, row: 0, column: 0, anchor: 2, classIndex: 15, logit: 6, offsets: [0, 0, 0, 0] },
];

test.each([
  { names: "raw", finestCells: 37, encoding: "content" },
  { names: "raw", finestCells: 38, encoding: "values" },
  { names: "alias", finestCells: 37, encoding: "values" },
] as const)(
  "SSD-VGG by $names names, with $finestCells cells and $encoding, gives boxes",
  async ({ names, finestCells, encoding }) => {
    const { post } = await started({
      model: { name: "ssd", family: "ssd-vgg" },
      pool: names === "raw" ? azure : {},
      replica: { encoding, answer: () => ssdHead(planted, { names, finestCells }) },
    });
    const picture = new Uint8Array(
      await sharp({ create: { width: 200, height: 100, channels: 3, background: "#777" } })
        .jpeg()
        .toBuffer(),
    );

    const { json } = await post("/v1/detect/ssd", picture);

    const [{ boxes, image }] = json["results"] as unknown as [
      {
        boxes: { index: number; label: string; score: number; box: object; normalized: object }[];
        image: object;
      },
    ];
    expect(image).toEqual({ width: 200, height: 100 });
    expect(boxes.map(({ index, label }) => [index, label])).toEqual([
      [12, "dog"],
      [15, "person"],
    ]);
    const [dog, person] = boxes;
    expect(dog?.score).toBeCloseTo(Math.exp(8) / (Math.exp(8) + 20), 5);
    expectClose(dog?.normalized, { x: 0.389082, y: 0.458826, width: 0.287131, height: 0.078361 });
    expectClose(dog?.box, { x: 77.8164, y: 45.8826, width: 57.4262, height: 7.8361 }, 2e-4);
    // Clipped to the picture.
    expectClose(person?.normalized, { x: 0, y: 0.192409, width: 1, height: 0.615182 });
  },
);

function expectClose(found: object | undefined, expected: object, tolerance = 1e-5): void {
  expect(Object.keys(found ?? {})).toEqual(Object.keys(expected));
  for (const [side, value] of Object.entries(expected)) {
    expect(
      Math.abs(((found as Record<string, number>)[side] ?? Number.NaN) - value),
    ).toBeLessThanOrEqual(tolerance);
  }
}

test("thresholds and caps are the call's own", async () => {
  const { post } = await started({
    model: { name: "ssd", family: "ssd-vgg" },
    replica: { answer: () => ssdHead(planted, { names: "alias" }) },
  });
  const count = async (query: string) => {
    const { json } = await post(`/v1/detect/ssd?${query}`);
    return (json["results"] as unknown as [{ boxes: unknown[] }])[0].boxes.length;
  };

  expect(await count("")).toBe(2);
  expect(await count("iouThreshold=1")).toBe(3);
  expect(await count("minScore=0.99")).toBe(1);
  expect(await count("iouThreshold=1&maxDetections=2")).toBe(2);
  expect(await count("maxCandidates=1")).toBe(1);
  const { status, json } = await post("/v1/detect/ssd?minScore=2");
  expect([status, json["field"]]).toEqual([400, "minScore"]);
});

test("a detector of a user's own classes has their labels, the background left out", async () => {
  const { post } = await started({
    model: { name: "ssd", family: "ssd-vgg", labels: ["bolt", "nut"] },
    replica: {
      answer: () =>
        ssdHead(
          [{ layer: 3, row: 2, column: 2, anchor: 0, logit: 8, classIndex: 2, offsets: [] }],
          { names: "alias" },
        ),
    },
  });

  const { json } = await post("/v1/detect/ssd");

  expect(json).toMatchObject({ results: [{ boxes: [{ index: 2, label: "nut" }] }] });
});

test("a model is not asked for what it does not give", async () => {
  const { post } = await started({
    model: { name: "ssd", family: "ssd-vgg" },
    replica: { answer: () => new Map() },
  });

  expect((await post("/v1/classify/ssd")).json).toMatchObject({
    reason: "failed-precondition",
    detail: 'model "ssd" cannot classify',
    hint: "its tasks: detect, predict",
  });
});

test("a model in a container and on a stock server is one model: what one cannot take the other does", async () => {
  const container = await startFakeReplica({
    isPredictOnly: true,
    answer: ({ inputNames }) =>
      inputNames.length === 0
        ? { code: 13, message: "Object reference not set to an instance of an object." }
        : { code: 13, message: "the device is broken" },
  });
  const stock = await startFakeReplica({
    answer: ({ inputNames }) => {
      expect(inputNames).toEqual(["images"]);
      return new Map([["output_alias", classScores(1000, { 7: 1 })]]);
    },
  });
  const pools = [
    {
      model: "resnet50",
      region: "westeurope",
      replicas: [container.address],
      dialect: "azure-fpga" as const,
    },
    { model: "resnet50", region: "eastus", replicas: [stock.address] },
  ];
  const models = [{ name: "resnet50", family: "resnet-50" as const }];
  const gateway = await startGateway({}, { models, pools });
  running.push(container, stock, gateway);

  const response = await fetch(`${gateway.url}/v1/classify/resnet50?topK=1`, {
    method: "POST",
    body: star,
  });

  expect(await response.json()).toMatchObject({
    region: "eastus",
    results: [{ labels: [{ index: 7, label: "cock" }] }],
  });
});
