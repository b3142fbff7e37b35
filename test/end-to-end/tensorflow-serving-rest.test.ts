import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningGateway, startShapesGateway } from "../support/running-gateway.ts";

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

test("scoring by TensorFlow Serving's REST says that it is not offered, and what is", async () => {
  const { status, text } = await ask("/v1/models/shapes:predict", "POST");

  expect(status).toBe(501);
  expect(text).toContain("/v1/classify/{model}");
});
