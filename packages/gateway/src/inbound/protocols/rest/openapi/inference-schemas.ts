import { failureReasons, routeReasons } from "../errors.ts";
import { object, type Schema, string, strings } from "./schema.ts";

const integer: Schema = { type: "integer" };
const shape: Schema = { type: "array", items: integer };
const datatype: Schema = {
  type: "string",
  enum: [
    ...["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"],
    ...["FP16", "BF16", "FP32", "FP64", "BYTES"],
  ],
};
const parameters: Schema = {
  type: "object",
  additionalProperties: { type: ["string", "number", "boolean"] },
};
const data: Schema = {
  type: "array",
  description: "Values in row-major order; in requests also nested. Absent if the bytes follow.",
};
const list = (items: Schema): Schema => ({ type: "array", items });
const tensor = object({ name: string, datatype, shape });
const duration = object({
  count: integer,
  ns: { type: "integer", description: "In total, in nanoseconds." },
});

/** Schemas of the Open Inference Protocol. */
export const inferenceSchemas: Readonly<Record<string, Schema>> = {
  InferenceError: object(
    { error: string, requestId: string },
    {
      reason: { type: "string", enum: [...failureReasons, ...routeReasons] },
      hint: string,
      field: string,
    },
  ),
  InferenceServer: object({ name: string, version: string, extensions: strings }),
  InferenceLive: object({ live: { type: "boolean" } }),
  InferenceReady: object({ ready: { type: "boolean" } }, { name: string }),
  InferenceModels: object({ models: strings }),
  InferenceMetadata: object({
    name: string,
    versions: strings,
    platform: string,
    inputs: list(tensor),
    outputs: list(tensor),
  }),
  InferenceConfig: object({
    name: string,
    platform: string,
    max_batch_size: integer,
    input: list(object({ name: string, data_type: string, dims: shape })),
    output: list(object({ name: string, data_type: string, dims: shape })),
  }),
  InferenceStatistics: object({
    model_stats: list(
      object({
        name: string,
        version: string,
        inference_count: integer,
        execution_count: integer,
        inference_stats: object({
          success: duration,
          fail: duration,
          queue: duration,
          compute_input: duration,
          compute_infer: duration,
          compute_output: duration,
          cache_hit: duration,
          cache_miss: duration,
        }),
      }),
    ),
  }),
  InferenceIndex: list(object({ name: string, version: string, state: string, reason: string })),
  InferenceIndexRequest: object({}, { ready: { type: "boolean", default: false } }),
  InferenceRequest: object(
    { inputs: list(object({ name: string, datatype, shape }, { parameters, data })) },
    { id: string, parameters, outputs: list(object({ name: string }, { parameters })) },
  ),
  InferenceResponse: object(
    {
      model_name: string,
      outputs: list(object({ name: string, datatype, shape }, { parameters, data })),
    },
    { id: string, model_version: string },
  ),
};
