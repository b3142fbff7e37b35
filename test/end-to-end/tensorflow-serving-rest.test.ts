import { afterAll, beforeAll, expect, test } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import {
  type RunningGateway,
  shapesModel,
  startShapesGateway,
} from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startShapesGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

async function ask(path: string, method = "GET") {
  const response = await fetch(`${running.url}${path}`, { method });
  return {
    status: response.status,
    type: response.headers.get("content-type"),
    text: await response.text(),
  };
}

const error = (text: string) => `{\n    "error": "${text}"\n}`;

test.each(["/v1/models/shapes", "/v1/models/shapes/versions/1", "/v1/models/shapes/versions/0001"])(
  "%s tells the state to the letter",
  async (path) => {
    const { status, type, text } = await ask(path);

    expect({ status, type }).toEqual({ status: 200, type: "application/json" });
    expect(text).toBe(
      '{\n "model_version_status": [\n  {\n   "version": "1",\n   "state": "AVAILABLE",\n   "status": {\n    "error_code": "OK",\n    "error_message": ""\n   }\n  }\n ]\n}\n',
    );
  },
);

test("metadata tells the signatures, doubly wrapped", async () => {
  const { text } = await ask("/v1/models/shapes/metadata");

  expect(JSON.parse(text)).toEqual({
    model_spec: { name: "shapes", signature_name: "", version: "1" },
    metadata: {
      signature_def: {
        signature_def: {
          serving_default: {
            inputs: { images: tensorInfo("images", "DT_STRING", ["-1"]) },
            outputs: {
              scores: tensorInfo("scores", "DT_FLOAT", ["-1", "16"]),
              features: tensorInfo("features", "DT_FLOAT", ["-1", "96"]),
            },
            method_name: "tensorflow/serving/predict",
            defaults: {},
          },
        },
      },
    },
  });
});

function tensorInfo(name: string, dtype: string, sizes: readonly string[]) {
  const dim = sizes.map((size) => ({ size, name: "" }));
  return { dtype, tensor_shape: { dim, unknown_rank: false }, name: `${name}:0` };
}

test.each([
  { path: "/v1/models/nope", status: 404, text: "Could not find any versions of model nope" },
  {
    path: "/v1/models/nope/versions/9",
    status: 404,
    text: "Could not find version 9 of model nope",
  },
  {
    path: "/v1/models/shapes/versions/9",
    status: 404,
    text: "Could not find version 9 of model shapes",
  },
  {
    path: "/v1/models/nope/metadata",
    status: 404,
    text: "Servable not found for request: Latest(nope)",
  },
  { path: "/v1/models", status: 400, text: "Missing model name in request." },
  { path: "/v1/models/shapes/", status: 400, text: "Malformed request: GET /v1/models/shapes/" },
  {
    path: "/v1/models/shapes/ready",
    status: 400,
    text: "Malformed request: GET /v1/models/shapes/ready",
  },
])("$path is refused in TensorFlow Serving's words", async ({ path, status, text }) => {
  expect(await ask(path)).toMatchObject({ status, type: "application/json", text: error(text) });
});

async function post(path: string, body: unknown) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(`${running.url}${path}`, { method: "POST", body: text });
  return { status: response.status, text: await response.text() };
}

const star = { b64: Buffer.from(samplePicture("star")).toString("base64") };

/** Index of the highest score. */
const best = (scores: readonly number[]) => scores.indexOf(Math.max(...scores));

test("a picture is scored by rows and by columns", async () => {
  const rows = await post("/v1/models/shapes:predict", { instances: [star, star] });
  const columns = await post("/v1/models/shapes/versions/1:predict", { inputs: [star] });

  expect([rows.status, columns.status]).toEqual([200, 200]);
  const { predictions } = JSON.parse(rows.text);
  const { outputs } = JSON.parse(columns.text);
  expect(predictions).toHaveLength(2);
  expect(predictions[0].scores).toEqual(outputs.scores[0]);
  expect(predictions[0].features).toHaveLength(96);
  const labels = shapesModel().labels as readonly string[];
  expect(labels[best(outputs.scores[0])]).toBe("star");
});

test.each([
  {
    name: "an empty body",
    path: "/v1/models/shapes:predict",
    body: "",
    status: 400,
    text: "JSON Parse error: The document is empty",
  },
  {
    name: "a number in the place of a picture",
    path: "/v1/models/shapes:predict",
    body: { instances: [1] },
    status: 400,
    text: "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: 1 Type: Number is not of expected type: string",
  },
  {
    name: "an unknown signature",
    path: "/v1/models/shapes:predict",
    body: { signature_name: "nope", instances: [star] },
    status: 400,
    text: 'Serving signature name: \\"nope\\" not found in signature def',
  },
  {
    name: "an unknown model",
    path: "/v1/models/nope:predict",
    body: { instances: [star] },
    status: 404,
    text: "Servable not found for request: Latest(nope)",
  },
  {
    name: "an unknown version",
    path: "/v1/models/shapes/versions/9:predict",
    body: { instances: [star] },
    status: 404,
    text: "Servable not found for request: Specific(shapes, 9)",
  },
  {
    name: "a verb in capitals",
    path: "/v1/models/shapes:PREDICT",
    body: { instances: [star] },
    status: 400,
    text: "Malformed request: POST /v1/models/shapes:PREDICT",
  },
  {
    name: "a query",
    path: "/v1/models/shapes:predict?x=1",
    body: { instances: [star] },
    status: 400,
    text: "Malformed request: POST /v1/models/shapes:predict?x=1",
  },
])("$name is refused as the original refuses it", async ({ path, body, status, text }) => {
  expect(await post(path, body)).toEqual({ status, text: error(text) });
});

test("a version beyond int64 has no answer", async () => {
  expect(await ask("/v1/models/shapes/versions/9223372036854775808")).toMatchObject({
    status: 400,
    text: "",
  });
});
