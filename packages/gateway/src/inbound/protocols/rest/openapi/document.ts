import { inferencePaths } from "./inference-paths.ts";
import { callHeaders, headerComponents, json, parameters, replyHeaders, shared } from "./parts.ts";
import { picturePaths } from "./picture-paths.ts";
import { failures, problemComponents } from "./problems.ts";
import { ref } from "./schema.ts";
import { schemas } from "./schemas.ts";
import { servingPaths } from "./serving-paths.ts";

const model = {
  name: "shapes",
  task: "classify",
  tasks: ["classify", "embed", "predict"],
  versions: ["1"],
  regions: ["westeurope", "eastus"],
  input: { kind: "picture", tensor: "images", decodedBy: "model", width: 224, height: 224 },
  outputs: [{ name: "scores", holds: "probabilities", dtype: "FP32", shape: [-1, 16] }],
  labelCount: 16,
  weights: "trained",
};

const catalogPaths = {
  "/v1/catalog": {
    get: {
      operationId: "listModels",
      summary: "All models",
      description: "Lists the models that the key may use, with their inputs and outputs.",
      tags: ["Catalog"],
      parameters: callHeaders,
      responses: {
        200: {
          description: "Every model with its inputs and outputs.",
          headers: replyHeaders,
          content: json(ref("Catalog"), { models: [model] }),
        },
        ...failures("Problem"),
      },
    },
  },
  "/v1/catalog/{model}": {
    get: {
      operationId: "getModel",
      summary: "One model, with its labels",
      description: "Describes a model; `labels` has the name of each class, by index.",
      tags: ["Catalog"],
      parameters: [...shared("Model"), ...callHeaders],
      responses: {
        200: {
          description: "The model.",
          headers: replyHeaders,
          content: json(ref("ModelWithLabels"), { ...model, labels: ["arrow", "bolt"] }),
        },
        ...failures("Problem"),
      },
    },
  },
};

const text = (example: string) => ({
  headers: replyHeaders,
  content: { "text/plain": { schema: { type: "string" }, example } },
});

/** An operation that is answered without a key. */
const open = (operationId: string, summary: string, responses: object) => ({
  get: {
    operationId,
    summary,
    tags: ["Gateway"],
    security: [],
    responses: {
      ...responses,
      403: { $ref: "#/components/responses/Problem403" },
      default: { $ref: "#/components/responses/ProblemDefault" },
    },
  },
});

const gatewayPaths = {
  "/livez": open("isAlive", "Whether the process works", {
    200: { description: "The process works.", ...text("ok\n") },
  }),
  "/readyz": open("isReady", "Whether the gateway may get calls", {
    200: { description: "At least one pool can serve.", ...text("ok: 2 of 2 pools can serve\n") },
    503: {
      description: "No pool can serve, or the gateway is draining.",
      ...text("not ready: draining\n"),
    },
  }),
  "/openapi.json": open("getOpenapi", "This document", {
    200: {
      description: "OpenAPI 3.1.",
      headers: replyHeaders,
      content: json({ type: "object" }, { openapi: "3.1.0" }),
    },
  }),
};

/** Returns the body of `GET /openapi.json`. */
export function openapiDocument(version: string): object {
  return {
    openapi: "3.1.0",
    info: {
      title: "Tensorgate",
      version,
      summary: "Pictures in, labels, boxes or features out.",
      description:
        "The REST API of a scoring gateway. Every failure has a `reason` for programs and a `detail` for people.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "The gateway that serves this document." }],
    // A gateway without keys needs none.
    security: [{}, { bearer: [] }, { apiKey: [] }],
    tags: [
      { name: "Pictures", description: "Send pictures, get labels, boxes or features." },
      { name: "Catalog", description: "The models, and what they take and return." },
      {
        name: "TensorFlow Serving",
        description: "The REST API of TensorFlow Serving, for clients that call it already.",
      },
      {
        name: "Open Inference Protocol",
        description: "Version 2, for clients of Triton and KServe.",
      },
      { name: "Gateway", description: "Health, and this document." },
    ],
    paths: {
      ...picturePaths,
      ...catalogPaths,
      ...servingPaths,
      ...inferencePaths,
      ...gatewayPaths,
    },
    components: {
      schemas,
      parameters,
      headers: headerComponents,
      responses: problemComponents,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "The caller's key." },
        apiKey: { type: "apiKey", in: "header", name: "x-api-key", description: "The same key." },
      },
    },
  };
}
