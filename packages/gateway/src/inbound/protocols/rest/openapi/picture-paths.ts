import { maxResultsPerPicture } from "@tensorgate/core";
import { callHeaders, json, scoredHeaders, shared } from "./parts.ts";
import { failures } from "./problems.ts";
import { ref, type Schema } from "./schema.ts";

const share: Schema = { type: "number", minimum: 0, maximum: 1 };
const count: Schema = { type: "integer", minimum: 1, maximum: maxResultsPerPicture };

const query = (name: string, description: string, schema: Schema) => ({
  name,
  in: "query",
  description,
  schema,
});

const binary = { schema: { type: "string", format: "binary" } };

const requestBody = {
  required: true,
  description: "A picture, several in a form, or base64 in JSON.",
  content: {
    "application/octet-stream": binary,
    "image/*": binary,
    "multipart/form-data": {
      schema: {
        type: "object",
        description: "One or many files; the name of a field is the id of its result.",
        properties: { file: { type: "string", format: "binary" } },
        additionalProperties: { type: "string", format: "binary" },
      },
    },
    "application/json": {
      schema: ref("PictureJson"),
      example: { image: { b64: "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEB…" } },
    },
  },
};

interface PictureTask {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly object[];
  readonly schema: string;
  /** A result of one picture. */
  readonly example: object;
}

function pictureTask({ schema, example, parameters = [], ...task }: PictureTask): object {
  const whole = {
    model: { name: "shapes", version: "1" },
    region: "westeurope",
    results: [example],
  };
  return {
    post: {
      ...task,
      tags: ["Pictures"],
      parameters: [
        ...shared("Model", "VersionQuery", "VersionLabelQuery", "Signature", "Region"),
        ...parameters,
        ...callHeaders,
      ],
      requestBody,
      responses: {
        200: {
          description: "One result per picture, in order.",
          headers: scoredHeaders,
          content: json(ref(schema), whole),
        },
        ...failures("Problem"),
      },
    },
  };
}

const rectangle = { x: 217.2, y: 41.8, width: 149.2, height: 116 };
const normalized = { x: 0.453, y: 0.087, width: 0.311, height: 0.242 };

/** The paths that take pictures. */
export const picturePaths: Readonly<Record<string, object>> = {
  "/v1/classify/{model}": pictureTask({
    operationId: "classify",
    summary: "Labels of one or several pictures",
    description: "Returns the labels of each picture, best first.",
    parameters: [
      query("topK", "Maximum number of labels returned.", { ...count, default: 5 }),
      query("minScore", "Minimum score of a label.", { type: "number", default: 0 }),
    ],
    schema: "Labels",
    example: { labels: [{ index: 14, label: "star", score: 0.969 }] },
  }),
  "/v1/detect/{model}": pictureTask({
    operationId: "detect",
    summary: "Objects in one or several pictures",
    description: "Returns the boxes of each picture, best first, in pixels and in fractions.",
    parameters: [
      query("minScore", "Minimum score of a box, exclusive.", share),
      query(
        "iouThreshold",
        "Overlap (IoU) at which the lower-scoring of two boxes is suppressed.",
        share,
      ),
      query("maxCandidates", "Boxes considered for non-maximum suppression, best first.", count),
      query("maxDetections", "Maximum number of boxes returned.", count),
    ],
    schema: "Boxes",
    example: {
      boxes: [{ index: 16, label: "triangle", score: 0.978, box: rectangle, normalized }],
      image: { width: 480, height: 480 },
    },
  }),
  "/v1/embed/{model}": pictureTask({
    operationId: "embed",
    summary: "Feature vectors of one or several pictures",
    description: "Returns the features of each picture, for search and comparison.",
    schema: "Features",
    example: { features: [0.784, 0.542, 0.709] },
  }),
};
