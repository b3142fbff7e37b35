import { UpstreamAnsweredError } from "@tensorgate/core";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import type { GatewayOptions } from "../config/gateway-options.ts";
import type { ManifestRequest } from "../upstream/read-manifest.ts";
import { watchManifests } from "./watch-manifests.ts";

const manifest = (labels: readonly string[]) =>
  JSON.stringify({
    weights: "given",
    labels,
    signatures: {
      serving_default: {
        inputs: {
          images: {
            dtype: "BYTES",
            shape: [-1],
            picture: {
              tensor: "pixels",
              preprocessing: {
                resize: { kind: "warp", heightPx: 8, widthPx: 8 },
                coordinates: "half-pixel",
                channelOrder: "rgb",
                mean: [0, 0, 0],
                scale: 1,
              },
            },
          },
        },
        outputs: { scores: { dtype: "FP32", shape: [-1, labels.length], holds: "logits" } },
      },
    },
  });

const options = (more: Partial<GatewayOptions> = {}): GatewayOptions => ({
  models: [{ name: "m", cache: true }],
  pools: [{ model: "m", region: "here", replicas: ["10.0.0.1:1", "dns:///two:2"] }],
  ...more,
});

function watched(read: (request: ManifestRequest) => Promise<string | undefined>) {
  const clock = manualClock();
  const lines: string[] = [];
  const note = (text: string) => void lines.push(text);
  const manifests = watchManifests({ log: { info: note, warn: note }, clock, read });
  return { manifests, clock, lines };
}

test("a model that is only named gets labels, input and outputs of its server, beside its settings", async () => {
  const { manifests, lines } = watched(async () => manifest(["cat", "dog"]));

  await manifests.look(options());

  expect(manifests.described(options()).models).toEqual([
    {
      name: "m",
      cache: true,
      weights: "given",
      labels: ["cat", "dog"],
      input: {
        tensor: "images",
        kind: "encoded-image",
        formats: ["jpeg", "png", "gif", "webp", "avif"],
        heightPx: 8,
        widthPx: 8,
      },
      output: { scores: { holds: "logits" } },
    },
  ]);
  expect(lines).toEqual(["model m is described by its server: 2 labels"]);
});

test("the models of pools are described where none are listed", async () => {
  const { manifests } = watched(async () => manifest(["cat"]));
  const { pools } = options();

  await manifests.look({ pools });

  expect(manifests.described({ pools }).models).toMatchObject([{ name: "m", labels: ["cat"] }]);
});

test.each([
  { name: "m", labels: ["mine"] },
  { name: "m", family: "resnet-50" as const },
  { name: "m", input: { tensor: "x" }, output: {} },
])("what the configuration says of a model is not touched: %j", async (model) => {
  const { manifests } = watched(async () => manifest(["cat"]));
  const given = options({ models: [model] });

  await manifests.look(given);

  expect(manifests.described(given).models).toEqual([model]);
});

test.each([
  { name: "no manifest", read: async () => undefined },
  {
    name: "no answer",
    read: async () => {
      throw new Error("lost");
    },
  },
  { name: "a manifest that cannot be read", read: async () => "{}" },
])("$name leaves the model as it is", async ({ read }) => {
  const { manifests } = watched(read);

  await manifests.look(options());

  expect(manifests.described(options())).toEqual(options());
});

test("pools of other dialects and gateways are not asked, and the next replica is if one does not answer", async () => {
  const asked: string[] = [];
  const { manifests } = watched(async ({ address }) => {
    asked.push(address);
    if (address !== "two:2") throw new Error("lost");
    return manifest(["cat"]);
  });
  const pools = [
    { model: "m", region: "a", dialect: "azure-fpga" as const, replicas: ["10.0.0.9:80"] },
    { model: "m", region: "b", gateway: "https://there" },
    { model: "m", region: "c", replicas: ["kubernetes:///m.ns:8500"] },
    ...options().pools,
  ];

  await manifests.look(options({ pools }));

  expect(asked).toEqual(["kubernetes:///m.ns:8500", "10.0.0.1:1", "two:2"]);
  expect(manifests.described(options({ pools })).models).toMatchObject([{ labels: ["cat"] }]);
});

test("a server without manifests is asked once a minute, and one that loads the model in each round", async () => {
  const rejected = (grpcCode: number) => new UpstreamAnsweredError("no", grpcCode);
  for (const { error, count } of [
    { error: rejected(3), count: 2 },
    { error: rejected(5), count: 26 },
  ]) {
    let asked = 0;
    const { manifests } = watched(async () => {
      asked += 1;
      throw error;
    });

    for (let round = 0; round <= 12; round += 1) await manifests.look(options());

    expect(asked).toBe(count);
  }
});

test("replicas that do not answer hold nothing up", async () => {
  const { manifests, clock } = watched(() => new Promise(() => {}));

  const looked = manifests.look(options());
  clock.advance(2_000);

  await looked;
  expect(manifests.described(options())).toEqual(options());
});

test("another version with other labels is noticed, and a server that is away is no change", async () => {
  let labels: readonly string[] | undefined = ["cat"];
  const { manifests, clock } = watched(async () => {
    if (!labels) throw new Error("away");
    return manifest(labels);
  });
  await manifests.look(options());
  let changeCount = 0;
  manifests.watch({
    options,
    onChange: () => {
      changeCount += 1;
    },
  });

  labels = ["dog"];
  clock.advance(5_000);
  await expect.poll(() => changeCount).toBe(1);
  expect(manifests.described(options()).models).toMatchObject([{ labels: ["dog"] }]);

  labels = undefined;
  clock.advance(5_000);
  await expect.poll(() => clock.pendingTimersMs()).toHaveLength(1);
  expect(manifests.described(options()).models).toMatchObject([{ labels: ["dog"] }]);
  expect(changeCount).toBe(1);
  manifests[Symbol.dispose]();
});
