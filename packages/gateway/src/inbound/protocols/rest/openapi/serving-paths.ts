import { callHeaders, json, replyHeaders, scoredHeaders, shared } from "./parts.ts";
import { failures } from "./problems.ts";
import { ref } from "./schema.ts";

/** One of the ways in which TensorFlow Serving's paths name a model. */
interface ModelPath {
  readonly base: string;
  readonly parameters: readonly string[];
  /** Ends the ids of operations, and their summaries. */
  readonly suffix: string;
  readonly of: string;
}

const modelPaths: readonly ModelPath[] = [
  { base: "/v1/models/{model}", parameters: ["Model"], suffix: "", of: "" },
  {
    base: "/v1/models/{model}/versions/{version}",
    parameters: ["Model", "Version"],
    suffix: "OfVersion",
    of: ", of a version",
  },
  {
    base: "/v1/models/{model}/labels/{versionLabel}",
    parameters: ["Model", "VersionLabel"],
    suffix: "OfLabel",
    of: ", of a version by its label",
  },
];

interface ServingOperation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly schema: string;
  readonly example: object;
  /** What a POST takes. */
  readonly body?: { readonly schema: string; readonly example: object };
}

const reads: Readonly<Record<"" | "/metadata", ServingOperation>> = {
  "": {
    operationId: "servingStatus",
    summary: "State of a model's versions",
    description: "Highest version first.",
    schema: "ServingStatus",
    example: {
      model_version_status: [
        { version: "1", state: "AVAILABLE", status: { error_code: "OK", error_message: "" } },
      ],
    },
  },
  "/metadata": {
    operationId: "servingMetadata",
    summary: "Signatures of a model",
    description: "Signatures by name, with the names, types and shapes of tensors.",
    schema: "ServingMetadata",
    example: {
      model_spec: { name: "shapes", signature_name: "", version: "1" },
      metadata: { signature_def: { signature_def: {} } },
    },
  },
};

const picture = { b64: "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEB…" };

const tasks: Readonly<Record<"predict" | "classify" | "regress", ServingOperation>> = {
  predict: {
    operationId: "servingPredict",
    summary: "Score tensors in JSON",
    description: "Takes values by row (`instances`) or by column (`inputs`).",
    body: { schema: "ServingPredictRequest", example: { instances: [picture] } },
    schema: "ServingPredictResponse",
    example: { predictions: [{ scores: [0.02, 0.98] }] },
  },
  classify: {
    operationId: "servingClassify",
    summary: "Classify examples",
    description: "Takes examples whose features are those of the signature.",
    body: { schema: "ServingExamples", example: { examples: [{ x: 1 }] } },
    schema: "ServingClassifications",
    example: { results: [[["yes", 0.98]]] },
  },
  regress: {
    operationId: "servingRegress",
    summary: "Regress examples",
    description: "Takes examples whose features are those of the signature.",
    body: { schema: "ServingExamples", example: { examples: [{ x: 1 }] } },
    schema: "ServingRegressions",
    example: { results: [2.5] },
  },
};

function operation(asked: ServingOperation, { suffix, of }: ModelPath): object {
  const { operationId, summary, description, schema, example, body } = asked;
  return {
    operationId: `${operationId}${suffix}`,
    summary: `${summary}${of}`,
    description,
    tags: ["TensorFlow Serving"],
    parameters: callHeaders,
    ...(body && { requestBody: { required: true, content: json(ref(body.schema), body.example) } }),
    responses: {
      200: {
        description: body ? "Results in the order of the request." : "What the model server says.",
        headers: body ? scoredHeaders : replyHeaders,
        content: json(ref(schema), example),
      },
      ...failures("ServingError"),
    },
  };
}

/** TensorFlow Serving's REST API, for each of the ways in which it names a model. */
export const servingPaths: Readonly<Record<string, object>> = Object.fromEntries(
  modelPaths.flatMap((path) => {
    const { base, parameters } = path;
    const item = (method: "get" | "post", asked: ServingOperation) => ({
      parameters: shared(...parameters),
      [method]: operation(asked, path),
    });
    return [
      ...Object.entries(reads).map(([end, asked]) => [`${base}${end}`, item("get", asked)]),
      ...Object.entries(tasks).map(([verb, asked]) => [`${base}:${verb}`, item("post", asked)]),
    ];
  }),
);
