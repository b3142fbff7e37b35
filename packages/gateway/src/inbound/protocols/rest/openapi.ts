import { maxResultsPerPicture } from "@tensorgate/core";
import { ref, schemas } from "./openapi-schemas.ts";

const json = (schema: object) => ({ "application/json": { schema } });
const text = { "text/plain": { schema: { type: "string" } } };
const binary = { schema: { type: "string", format: "binary" } };

const path = (name: string, description: string) => ({
  name,
  in: "path",
  required: true,
  description,
  schema: { type: "string" },
});
const query = (name: string, description: string, schema: object) => ({
  name,
  in: "query",
  description,
  schema,
});
const header = (name: string, description: string) => ({
  name,
  in: "header",
  description,
  schema: { type: "string" },
});

const modelParam = path("model", "Name of the model, as the catalog lists it.");
const callParams = [
  modelParam,
  query("version", "Version to use; the latest by default.", { type: "string", pattern: "^\\d+$" }),
  query("signature", "Signature of the model; that of the configuration by default.", {
    type: "string",
  }),
  query("versionLabel", "A name for a version, such as stable.", { type: "string" }),
  query("region", "Region to prefer.", { type: "string" }),
  header("x-request-id", "Echoed; generated if missing."),
  header("x-tensorgate-timeout-ms", "How long the call may take, in milliseconds."),
  header("x-tensorgate-residency", "Regions the call may be served in, separated by commas."),
];

const problems = {
  default: {
    description: "Why it failed; `reason` is the word to act on.",
    content: { "application/problem+json": { schema: ref("Problem") } },
  },
};
const servingProblems = {
  default: {
    description: "An error in TensorFlow Serving's form.",
    content: json({ type: "object", properties: { error: { type: "string" } } }),
  },
};

const pictureBody = {
  required: true,
  content: {
    "image/*": binary,
    "application/octet-stream": binary,
    "multipart/form-data": {
      schema: { type: "object", additionalProperties: { type: "string", format: "binary" } },
    },
    "application/json": {
      schema: {
        oneOf: [
          { type: "object", required: ["image"], properties: { image: ref("Base64Picture") } },
          {
            type: "object",
            required: ["images"],
            properties: { images: { type: "array", items: ref("Base64Picture") } },
          },
        ],
      },
    },
  },
};

const ok = (description: string, content: object) => ({ 200: { description, content } });

const servingStatus = {
  get: {
    summary: "State of a model's versions, in TensorFlow Serving's form",
    responses: {
      ...ok("States, highest version first.", json({ type: "object" })),
      ...servingProblems,
    },
  },
};
const servingMetadata = {
  get: {
    summary: "Signatures of a model, in TensorFlow Serving's form",
    responses: { ...ok("Signatures by name.", json({ type: "object" })), ...servingProblems },
  },
};
const versionParam = path("version", "A version of the model.");
const labelParam = path("versionLabel", "A name for a version.");

const servingTask = (summary: string, member: string) => ({
  post: {
    summary,
    requestBody: { required: true, content: json({ type: "object" }) },
    responses: {
      ...ok("Results in the order of the request.", json({ type: "object", required: [member] })),
      ...servingProblems,
    },
  },
});

/** TensorFlow Serving's REST API, for each of the ways in which it names a model. */
const servingPaths = Object.fromEntries(
  [
    { base: "/v1/models/{model}", parameters: [modelParam] },
    { base: "/v1/models/{model}/versions/{version}", parameters: [modelParam, versionParam] },
    { base: "/v1/models/{model}/labels/{versionLabel}", parameters: [modelParam, labelParam] },
  ].flatMap(({ base, parameters }) => [
    [base, { parameters, ...servingStatus }],
    [`${base}/metadata`, { parameters, ...servingMetadata }],
    [`${base}:predict`, { parameters, ...servingTask("Score tensors in JSON", "predictions") }],
    [`${base}:classify`, { parameters, ...servingTask("Classify examples", "results") }],
    [`${base}:regress`, { parameters, ...servingTask("Regress examples", "results") }],
  ]),
);

const share = { type: "number", minimum: 0, maximum: 1 };
const count = { type: "integer", minimum: 1, maximum: maxResultsPerPicture };

/** What `GET /openapi.json` answers. */
export function openapiDocument(version: string): object {
  return {
    openapi: "3.1.0",
    info: {
      title: "Tensorgate",
      version,
      description: "Pictures in, labels, boxes or features out.",
    },
    paths: {
      "/v1/classify/{model}": {
        post: {
          summary: "Labels of one or several pictures",
          parameters: [
            ...callParams,
            query("topK", "Maximum number of labels returned.", {
              ...count,
              default: 5,
            }),
            query("minScore", "Minimum score of a label.", { type: "number", default: 0 }),
          ],
          requestBody: pictureBody,
          responses: {
            ...ok("One result per picture, in order.", json(ref("Labels"))),
            ...problems,
          },
        },
      },
      "/v1/detect/{model}": {
        post: {
          summary: "Objects in one or several pictures",
          parameters: [
            ...callParams,
            query("minScore", "Minimum score of a box, exclusive.", share),
            query(
              "iouThreshold",
              "Overlap (IoU) at which the lower-scoring of two boxes is suppressed.",
              share,
            ),
            query(
              "maxCandidates",
              "Boxes considered for non-maximum suppression, best first.",
              count,
            ),
            query("maxDetections", "Maximum number of boxes returned.", count),
          ],
          requestBody: pictureBody,
          responses: {
            ...ok("One result per picture, in order.", json(ref("Boxes"))),
            ...problems,
          },
        },
      },
      "/v1/embed/{model}": {
        post: {
          summary: "Feature vectors of one or several pictures",
          parameters: callParams,
          requestBody: pictureBody,
          responses: {
            ...ok("One result per picture, in order.", json(ref("Features"))),
            ...problems,
          },
        },
      },
      "/v1/catalog": {
        get: {
          summary: "All models",
          responses: {
            ...ok(
              "Every model with its inputs and outputs.",
              json({
                type: "object",
                properties: { models: { type: "array", items: ref("Model") } },
              }),
            ),
            ...problems,
          },
        },
      },
      "/v1/catalog/{model}": {
        get: {
          summary: "One model, with its labels",
          parameters: [modelParam],
          responses: { ...ok("The model.", json(ref("Model"))), ...problems },
        },
      },
      ...servingPaths,
      "/livez": {
        get: { summary: "The process works", responses: ok("The process works.", text) },
      },
      "/readyz": {
        get: {
          summary: "The gateway may get calls",
          responses: {
            ...ok("At least one pool can serve.", text),
            503: { description: "No pool can serve, or the gateway is draining.", content: text },
          },
        },
      },
      "/openapi.json": {
        get: { summary: "This document", responses: ok("OpenAPI 3.1.", json({ type: "object" })) },
      },
    },
    components: { schemas },
  };
}
