import type { ModelSpec } from "@tensorgate/core";
import { expect, onTestFinished, test } from "vitest";
import { samplePicture } from "../../../test/support/pictures.ts";
import { shapesOutputs } from "../../../test/support/shapes-answers.ts";
import { checkedOptions } from "./config/parse-config.ts";
import { hostCallbacks } from "./host-callbacks.ts";
import { createInbound } from "./inbound/inbound.ts";
import { createModels } from "./models/models.ts";
import { createPictures } from "./models/pictures.ts";
import { createSnapshot } from "./models/snapshot.ts";
import { systemClockAndRandom } from "./system-clock.ts";
import { createTelemetry } from "./telemetry/telemetry.ts";

const signature = {
  inputs: new Map([["images", { dtype: "BYTES" as const, shape: [-1] }]]),
  outputs: new Map([["scores", { dtype: "FP32" as const, shape: [-1, 4] }]]),
};

/** The stages of a gateway in front of `routing`, whose snapshot counts how often a model is looked up by its name. */
async function openStages() {
  const { clock } = systemClockAndRandom;
  const model = {
    name: "shapes",
    input: { tensor: "images", kind: "encoded-image" as const },
    output: { scores: { holds: "probabilities" as const } },
  };
  const pools = [{ model: "shapes", region: "local", replicas: ["127.0.0.1:9"] }];
  const options = checkedOptions({ region: "local", listen: { port: 0 }, models: [model], pools });
  const lookUps: string[] = [];
  const own = createSnapshot(options);
  const snapshot = {
    ...own,
    resolve: (spec: ModelSpec) => {
      lookUps.push(`resolve ${spec.name}`);
      return own.resolve(spec);
    },
    has: (name: string) => {
      lookUps.push(`has ${name}`);
      return own.has(name);
    },
  };
  const host = hostCallbacks({});
  const pictures = createPictures({ options: {}, ...host, clock });
  // As a replica that calls its model otherwise.
  const score = async () => ({ model: { name: "fake", version: 1n }, outputs: shapesOutputs() });
  const never = () => Promise.reject(new Error("no replica is asked"));
  const { tasksOf } = createModels({
    pictures,
    score,
    cachedScore: score,
    assertCapacity: () => {},
    reported: () => ({ versions: [1n], signatures: new Map([["serving_default", signature]]) }),
    regionsOf: () => ["local"],
    modelStatus: never,
    modelMetadata: never,
    clock,
  });
  const telemetry = createTelemetry({ ...host, version: "0.0.0" });
  const inbound = createInbound({
    ...host,
    options,
    region: "local",
    maxPictures: 1,
    inForce: { current: { tasks: tasksOf(snapshot) } },
    status: () => ({ regions: [], retriesLeft: 0 }),
    readiness: () => ({ isReady: true, because: "it serves" }),
    version: "0.0.0",
    console: undefined,
    outages: undefined,
    observeCall: telemetry.observeCalls({ current: { snapshot } }),
    statistics: telemetry.statistics,
    onRejected: () => {},
    capacity: undefined,
    isPortShared: false,
    joinStatus: undefined,
    clock,
  });
  await inbound.listen();
  onTestFinished(() => inbound.close(0));
  onTestFinished(() => pictures.close());
  return { url: inbound.url, lookUps, statistics: telemetry.statistics };
}

const star = samplePicture("star");
const image = Buffer.from(star).toString("base64");
const connect = (method: string, message: object) => ({
  path: `/tensorgate.v1.ScoringService/${method}`,
  type: "application/json",
  body: JSON.stringify({ modelSpec: { name: "shapes" }, ...message }),
});

test.each([
  { what: "a picture by REST", path: "/v1/classify/shapes", type: "image/png", body: star },
  { what: "a picture by Connect", ...connect("Classify", { pictures: [{ data: image }] }) },
  {
    what: "tensors by Connect",
    ...connect("Predict", {
      inputs: { images: { dtype: "BYTES", shape: ["1"], elements: { elements: [image] } } },
    }),
  },
  {
    what: "tensors by TensorFlow Serving's REST API",
    path: "/v1/models/shapes:predict",
    type: "application/json",
    body: JSON.stringify({ instances: [{ b64: image }] }),
  },
])("the model of $what is looked up once", async ({ path, type, body }) => {
  const { url, lookUps, statistics } = await openStages();

  const response = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": type },
    body: typeof body === "string" ? body : new Uint8Array(body),
  });

  expect({ status: response.status, text: await response.text() }).toMatchObject({ status: 200 });
  expect(lookUps).toEqual(["resolve shapes"]);
  // Counted under the name that it was resolved by, whatever the replica calls it.
  expect(statistics.of("fake").success.count).toBe(0);
});
