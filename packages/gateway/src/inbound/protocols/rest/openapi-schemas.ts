/** How a schema is pointed at. */
export const ref = (name: string): { readonly $ref: string } => ({
  $ref: `#/components/schemas/${name}`,
});

const answer = (name: string, value: object, beside: object = {}) => ({
  type: "object",
  required: ["results"],
  properties: {
    model: {
      type: "object",
      properties: { name: { type: "string" }, version: { type: "string" } },
    },
    region: { type: "string" },
    results: {
      type: "array",
      items: {
        type: "object",
        description: `Has \`${name}\`, or \`error\` where this picture failed among many.`,
        properties: { id: { type: "string" }, [name]: value, ...beside, error: ref("Failure") },
      },
    },
  },
});

const failure = {
  detail: { type: "string" },
  reason: { type: "string" },
  hint: { type: "string" },
  field: { type: "string" },
  retryAfterMs: { type: "number" },
};

const label = {
  index: { type: "integer" },
  label: { type: "string" },
  score: { type: "number" },
};

const rectangle = {
  type: "object",
  properties: {
    x: { type: "number" },
    y: { type: "number" },
    width: { type: "number" },
    height: { type: "number" },
  },
};

/** What the document calls `#/components/schemas`. */
export const schemas: Readonly<Record<string, object>> = {
  Base64Picture: {
    type: "object",
    required: ["b64"],
    properties: { b64: { type: "string", contentEncoding: "base64" }, id: { type: "string" } },
  },
  Labels: answer("labels", {
    type: "array",
    items: { type: "object", properties: label },
  }),
  Boxes: answer(
    "boxes",
    {
      type: "array",
      items: {
        type: "object",
        properties: {
          ...label,
          box: { ...rectangle, description: "In pixels of the upright picture." },
          normalized: { ...rectangle, description: "In fractions of its sides." },
        },
      },
    },
    {
      image: {
        type: "object",
        properties: { width: { type: "integer" }, height: { type: "integer" } },
      },
    },
  ),
  Features: answer("features", { type: "array", items: { type: "number" } }),
  Model: {
    type: "object",
    properties: {
      name: { type: "string" },
      task: { enum: ["classify", "detect", "embed", "predict"] },
      tasks: { type: "array", items: { type: "string" } },
      versions: { type: "array", items: { type: "string" } },
      regions: { type: "array", items: { type: "string" } },
      input: { type: "object" },
      outputs: { type: "array", items: { type: "object" } },
      labelCount: { type: "integer" },
      labels: { type: "array", items: { type: "string" } },
      weights: { enum: ["trained", "seeded", "given"] },
      family: { type: "string" },
    },
  },
  Failure: { type: "object", properties: failure },
  Problem: {
    type: "object",
    required: ["type", "title", "status", "detail", "reason", "requestId"],
    properties: {
      type: { type: "string" },
      title: { type: "string" },
      status: { type: "integer" },
      requestId: { type: "string" },
      ...failure,
    },
  },
};
