import { bytesPerElement } from "@tensorgate/core";
import { failureReasons, routeReasons } from "../errors.ts";
import { inferenceSchemas } from "./inference-schemas.ts";
import { object, ref, type Schema, string, strings } from "./schema.ts";

const number: Schema = { type: "number" };
const integer: Schema = { type: "integer" };

/** The response to pictures: one result for each, in order, which is a value or why there is none. */
function answerOf(value: string): Schema {
  return object(
    { results: { type: "array", items: { oneOf: [ref(value), ref("FailedPicture")] } } },
    {
      model: { ...ref("AnsweringModel"), description: "Absent if every picture failed." },
      region: { type: "string", description: "Absent if every picture failed." },
    },
  );
}

const id: Schema = { type: "string", description: "The picture's id, or the name of its field." };

const tensor = object(
  { name: string },
  {
    dtype: { type: "string", enum: [...Object.keys(bytesPerElement), "BYTES"] },
    shape: { type: "array", items: integer, description: "-1 stands for any extent." },
  },
);

const pictureInput = object(
  {
    kind: { type: "string", enum: ["picture"] },
    tensor: string,
    decodedBy: { type: "string", enum: ["gateway", "model"] },
  },
  {
    width: { ...integer, description: "In pixels; absent if unknown." },
    height: { ...integer, description: "In pixels; absent if unknown." },
    crop: {
      ...object({ width: integer, height: integer }),
      description:
        "In pixels: what is cut from the middle of a picture whose shorter side was scaled to `width`.",
    },
  },
);
const tensorsInput = object({
  kind: { type: "string", enum: ["tensors"] },
  tensors: { type: "array", items: tensor },
});

const task: Schema = { type: "string", enum: ["classify", "detect", "embed", "predict"] };

const model = {
  name: string,
  task: { ...task, description: "The first of `tasks`." },
  tasks: { type: "array", items: task },
  versions: { ...strings, description: "Versions that can be scored now, highest first." },
  regions: strings,
  input: { oneOf: [pictureInput, tensorsInput] },
  outputs: {
    type: "array",
    items: {
      allOf: [
        tensor,
        object({
          holds: {
            type: "string",
            enum: ["probabilities", "logits", "features", "boxes", "tensor"],
          },
        }),
      ],
    },
  },
  labelCount: integer,
  weights: {
    type: "string",
    enum: ["trained", "seeded", "given"],
    description: "The results of seeded (random) weights are meaningless.",
  },
};

const detail: Schema = { type: "string", description: "What is wrong, for people." };
const reasonOf = (reasons: readonly string[]): Schema => ({
  type: "string",
  enum: [...reasons],
  description: "What is wrong, for programs.",
});
const advice = {
  hint: { type: "string", description: "What to do about it." },
  field: { type: "string", description: "Which part of the request." },
  retryAfterMs: { type: "number", description: "Delay before a retry, in milliseconds." },
};

/** The schemas of the document, by name. */
export const schemas: Readonly<Record<string, Schema>> = {
  Base64Picture: object(
    { b64: { type: "string", contentEncoding: "base64" } },
    { id: { type: "string", description: "Comes back with the result." } },
  ),
  PictureJson: {
    oneOf: [
      object({ image: ref("Base64Picture") }),
      object({ images: { type: "array", minItems: 1, items: ref("Base64Picture") } }),
    ],
  },
  AnsweringModel: object({
    name: string,
    version: { type: "string", description: "An int64, which JSON numbers cannot hold." },
  }),
  LabelScore: object({ index: integer, label: string, score: number }),
  LabelledPicture: object({ labels: { type: "array", items: ref("LabelScore") } }, { id }),
  Labels: answerOf("LabelledPicture"),
  Rectangle: object({ x: number, y: number, width: number, height: number }),
  Box: object({
    index: integer,
    label: string,
    score: number,
    box: { ...ref("Rectangle"), description: "In pixels of the upright picture." },
    normalized: { ...ref("Rectangle"), description: "In fractions of the picture's sides." },
  }),
  DetectedPicture: object(
    {
      boxes: { type: "array", items: ref("Box") },
      image: object({ width: integer, height: integer }),
    },
    { id },
  ),
  Boxes: answerOf("DetectedPicture"),
  EmbeddedPicture: object({ features: { type: "array", items: number } }, { id }),
  Features: answerOf("EmbeddedPicture"),
  FailedPicture: object({ error: ref("Failure") }, { id }),
  Failure: object({ detail, reason: reasonOf(failureReasons) }, advice),
  Problem: object(
    {
      type: { type: "string", description: "`urn:tensorgate:` and the reason, or `about:blank`." },
      title: string,
      status: integer,
      detail,
      reason: reasonOf([...failureReasons, ...routeReasons]),
      requestId: { type: "string", description: "As in `x-request-id`, and in the log." },
    },
    advice,
  ),
  Model: object(model, { family: string }),
  ModelWithLabels: object({ ...model, labels: strings }, { family: string }),
  Catalog: object({ models: { type: "array", items: ref("Model") } }),
  ServingError: object({ error: string }),
  ServingStatus: object({
    model_version_status: {
      type: "array",
      items: object({
        version: string,
        state: {
          type: "string",
          enum: ["UNKNOWN", "START", "LOADING", "AVAILABLE", "UNLOADING", "END"],
        },
        status: object({ error_code: string, error_message: string }),
      }),
    },
  }),
  ServingMetadata: object({
    model_spec: object({ name: string, signature_name: string, version: string }),
    metadata: object({
      signature_def: { type: "object", description: "TensorFlow's SignatureDefMap." },
    }),
  }),
  ServingPredictRequest: {
    oneOf: [
      object(
        { instances: { type: "array", description: "One value per picture, row by row." } },
        { signature_name: string },
      ),
      object(
        { inputs: { description: "Values of all rows, by the name of the input." } },
        { signature_name: string },
      ),
    ],
  },
  ServingPredictResponse: {
    oneOf: [
      object({ predictions: { type: "array", description: "The form of `instances`." } }),
      object({ outputs: { description: "The form of `inputs`." } }),
    ],
  },
  ServingExamples: object(
    { examples: { type: "array", items: { type: "object" } } },
    { context: { type: "object" }, signature_name: string },
  ),
  ServingClassifications: object({
    results: {
      type: "array",
      items: { type: "array", items: { type: "array", description: "A label and its score." } },
    },
  }),
  ServingRegressions: object({ results: { type: "array", items: number } }),
  ...inferenceSchemas,
};
