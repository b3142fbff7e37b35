import { expect, test, vi } from "vitest";
import { startFakeReplica } from "../../../test/support/fake-replica.ts";
import { samplePicture } from "../../../test/support/pictures.ts";
import { startGateway } from "../../../test/support/running-gateway.ts";
import { shapesOutputs } from "../../../test/support/shapes-answers.ts";

/** Each time that a model was looked up by its name. */
const lookUps: string[] = [];

vi.mock("./models/snapshot.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("./models/snapshot.ts")>();
  return {
    ...original,
    createSnapshot: (options: Parameters<typeof original.createSnapshot>[0]) => {
      const snapshot = original.createSnapshot(options);
      return {
        ...snapshot,
        resolve: (spec: Parameters<typeof snapshot.resolve>[0]) => {
          lookUps.push(`resolve ${spec.name}`);
          return snapshot.resolve(spec);
        },
        has: (name: string) => {
          lookUps.push(`has ${name}`);
          return snapshot.has(name);
        },
      };
    },
  };
});

const star = samplePicture("star");
const image = Buffer.from(star).toString("base64");
const connect = (method: string, message: object) => ({
  path: `/tensorgate.v1.ScoringService/${method}`,
  type: "application/json",
  body: JSON.stringify({ modelSpec: { name: "shapes" }, ...message }),
});

const signature = {
  inputs: new Map([["images", { dtype: "BYTES" as const, shape: [-1] }]]),
  outputs: new Map([["scores", { dtype: "FP32" as const, shape: [-1, 4] }]]),
};
const signatures = new Map([["serving_default", signature]]);

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
  await using replica = await startFakeReplica({ answer: shapesOutputs, signatures });
  await using running = await startGateway({ westeurope: [replica.address] });
  lookUps.length = 0;

  const response = await fetch(running.url + path, {
    method: "POST",
    headers: { "content-type": type },
    body: typeof body === "string" ? body : new Uint8Array(body),
  });

  expect({ status: response.status, text: await response.text() }).toMatchObject({ status: 200 });
  expect(lookUps).toEqual(["resolve shapes"]);
});
