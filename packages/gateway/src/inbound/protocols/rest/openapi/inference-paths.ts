import { callHeaders, json, replyHeaders, scoredHeaders, shared } from "./parts.ts";
import { failures } from "./problems.ts";
import { ref } from "./schema.ts";

/** The two ways in which paths of the protocol name a model. */
const modelPaths = [
  { base: "/v2/models/{model}", parameters: ["Model"], suffix: "", of: "" },
  {
    base: "/v2/models/{model}/versions/{version}",
    parameters: ["Model", "VersionOrLabel"],
    suffix: "OfVersion",
    of: ", of a version",
  },
] as const;

interface InferenceRead {
  readonly operationId: string;
  readonly summary: string;
  readonly schema: string;
  readonly example: object;
  /** Answered without a key. */
  readonly isOpen?: boolean;
}

const tensor = { name: "images", datatype: "BYTES", shape: [-1] };
const scores = { name: "scores", datatype: "FP32", shape: [-1, 16] };
const once = { count: 1, ns: 2_000_000 };

const serverReads: Readonly<Record<string, InferenceRead>> = {
  "/v2": {
    operationId: "inferenceServer",
    summary: "What the server is",
    schema: "InferenceServer",
    example: { name: "tensorgate", version: "0.1.0", extensions: ["binary_tensor_data"] },
    isOpen: true,
  },
  "/v2/health/live": {
    operationId: "inferenceLive",
    summary: "Whether the server works",
    schema: "InferenceLive",
    example: { live: true },
    isOpen: true,
  },
  "/v2/health/ready": {
    operationId: "inferenceReady",
    summary: "Whether the server may get calls",
    schema: "InferenceReady",
    example: { ready: true },
    isOpen: true,
  },
  "/v2/models": {
    operationId: "inferenceModels",
    summary: "Names of the models",
    schema: "InferenceModels",
    example: { models: ["shapes"] },
  },
};

const modelReads: Readonly<Record<string, InferenceRead>> = {
  "": {
    operationId: "inferenceMetadata",
    summary: "Tensors of a model",
    schema: "InferenceMetadata",
    example: {
      name: "shapes",
      versions: ["1"],
      platform: "tensorgate_pool",
      inputs: [tensor],
      outputs: [scores],
    },
  },
  "/ready": {
    operationId: "inferenceModelReady",
    summary: "Whether a model can be scored",
    schema: "InferenceReady",
    example: { name: "shapes", ready: true },
  },
  "/config": {
    operationId: "inferenceConfig",
    summary: "Configuration of a model, as far as clients read it",
    schema: "InferenceConfig",
    example: {
      name: "shapes",
      platform: "tensorgate_pool",
      max_batch_size: 0,
      input: [{ name: "images", data_type: "TYPE_STRING", dims: [-1] }],
      output: [{ name: "scores", data_type: "TYPE_FP32", dims: [-1, 16] }],
    },
  },
  "/stats": {
    operationId: "inferenceStatistics",
    summary: "Calls of a model since the gateway started",
    schema: "InferenceStatistics",
    example: {
      model_stats: [
        {
          name: "shapes",
          version: "1",
          inference_count: 1,
          execution_count: 1,
          inference_stats: {
            success: once,
            fail: { count: 0, ns: 0 },
            queue: once,
            compute_input: once,
            compute_infer: once,
            compute_output: once,
            cache_hit: { count: 0, ns: 0 },
            cache_miss: { count: 0, ns: 0 },
          },
        },
      ],
    },
  },
};

const tag = { tags: ["Open Inference Protocol"] };

function read({ schema, example, isOpen, ...asked }: InferenceRead): object {
  return {
    ...asked,
    ...tag,
    ...(isOpen && { security: [] }),
    parameters: callHeaders,
    responses: {
      200: {
        description: "What is known of it.",
        headers: replyHeaders,
        content: json(ref(schema), example),
      },
      ...failures("InferenceError"),
    },
  };
}

const request = {
  inputs: [{ name: "x", datatype: "FP32", shape: [3], data: [1, 2, 5] }],
  outputs: [{ name: "y" }],
};
const response = {
  model_name: "half_plus_two",
  model_version: "1",
  outputs: [{ name: "y", datatype: "FP32", shape: [3], data: [2.5, 3, 4.5] }],
};
const binary = {
  "application/octet-stream": {
    schema: {
      type: "string",
      description:
        "JSON whose length is in inference-header-content-length, then bytes of tensors.",
    },
  },
};

function infer({ suffix, of }: (typeof modelPaths)[number]): object {
  return {
    operationId: `inferenceInfer${suffix}`,
    summary: `Score tensors, or a picture${of}`,
    description:
      "Takes JSON, JSON with the bytes of tensors after it, or nothing but the only input.",
    ...tag,
    parameters: [...shared("InferenceLength"), ...callHeaders],
    requestBody: {
      required: true,
      content: { ...json(ref("InferenceRequest"), request), ...binary },
    },
    responses: {
      200: {
        description: "The outputs.",
        headers: scoredHeaders,
        content: { ...json(ref("InferenceResponse"), response), ...binary },
      },
      ...failures("InferenceError"),
    },
  };
}

const index = {
  post: {
    operationId: "inferenceIndex",
    summary: "The models, and which of them can be scored",
    ...tag,
    parameters: callHeaders,
    requestBody: { content: json(ref("InferenceIndexRequest"), { ready: true }) },
    responses: {
      200: {
        description: "An entry for each version.",
        headers: replyHeaders,
        content: json(ref("InferenceIndex"), [
          { name: "shapes", version: "1", state: "READY", reason: "" },
        ]),
      },
      ...failures("InferenceError"),
    },
  },
};

/** The REST API of the Open Inference Protocol. */
export const inferencePaths: Readonly<Record<string, object>> = {
  ...Object.fromEntries(
    Object.entries(serverReads).map(([path, asked]) => [path, { get: read(asked) }]),
  ),
  ...Object.fromEntries(
    modelPaths.flatMap((path) => {
      const { base, suffix, of } = path;
      const parameters = shared(...path.parameters);
      const reads = Object.entries(modelReads).map(([end, { operationId, summary, ...asked }]) => {
        const named = { operationId: `${operationId}${suffix}`, summary: `${summary}${of}` };
        return [`${base}${end}`, { parameters, get: read({ ...asked, ...named }) }];
      });
      return [...reads, [`${base}/infer`, { parameters, post: infer(path) }]];
    }),
  ),
  "/v2/repository/index": index,
};
