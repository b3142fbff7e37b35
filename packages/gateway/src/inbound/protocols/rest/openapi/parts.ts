import type { Schema } from "./schema.ts";
import { string } from "./schema.ts";

/** A media type of a body. */
export const json = (schema: Schema, example?: unknown): object => ({
  "application/json": { schema, ...(example !== undefined && { example }) },
});

/** Parameters of the document, by name; `shared` refers to them. */
const parameter = (where: "path" | "query" | "header", name: string, described: object) => ({
  name,
  in: where,
  ...(where === "path" && { required: true }),
  schema: string,
  ...described,
});

export const parameters: Readonly<Record<string, object>> = {
  Model: parameter("path", "model", {
    description: "Name of the model, as the catalog lists it.",
    example: "shapes",
  }),
  Version: parameter("path", "version", {
    description: "A version of the model.",
    schema: { type: "string", pattern: "^\\d+$" },
    example: "1",
  }),
  VersionOrLabel: parameter("path", "version", {
    description: "A version of the model, or a name for one.",
    example: "1",
  }),
  InferenceLength: parameter("header", "inference-header-content-length", {
    description:
      "Bytes of the JSON before those of tensors; 0 for a body that is nothing but the input.",
    schema: { type: "integer", minimum: 0 },
  }),
  VersionLabel: parameter("path", "versionLabel", {
    description: "A name for a version.",
    example: "stable",
  }),
  VersionQuery: parameter("query", "version", {
    description: "Version to use; the latest by default.",
    schema: { type: "string", pattern: "^\\d+$" },
  }),
  VersionLabelQuery: parameter("query", "versionLabel", {
    description: "A name for a version, such as stable, in place of `version`.",
  }),
  Signature: parameter("query", "signature", {
    description: "Signature of the model; that of the configuration by default.",
  }),
  Region: parameter("query", "region", { description: "Region to prefer." }),
  RegionHeader: parameter("header", "x-tensorgate-region", { description: "Region to prefer." }),
  Residency: parameter("header", "x-tensorgate-residency", {
    description: "Regions that may serve the call, separated by commas; no other gets it.",
  }),
  RequestId: parameter("header", "x-request-id", {
    description: "Echoed; generated if missing.",
  }),
  Timeout: parameter("header", "x-tensorgate-timeout-ms", {
    description: "How long the call may take, in milliseconds.",
    schema: { type: "integer", minimum: 0 },
  }),
  Priority: parameter("header", "x-tensorgate-priority", {
    description: "Under overload, calls of a lower priority are rejected first.",
    schema: { type: "string", enum: ["critical", "normal", "batch"], default: "normal" },
  }),
  Trace: parameter("header", "x-tensorgate-trace", {
    description: "1 asks why the call goes where it goes.",
    schema: { type: "string", enum: ["1"] },
  }),
  CacheControl: parameter("header", "cache-control", {
    description: "`no-store` bypasses the response cache and request coalescing.",
  }),
  Traceparent: parameter("header", "traceparent", {
    description: "The caller's span, which the span of the call continues.",
  }),
};

/** Refers to parameters of the document. */
export const shared = (...names: readonly string[]): readonly object[] =>
  names.map((name) => ({ $ref: `#/components/parameters/${name}` }));

/** The request headers of any call. */
export const callHeaders: readonly object[] = shared(
  ...["RequestId", "Timeout", "RegionHeader", "Residency", "Priority"],
  ...["Trace", "CacheControl", "Traceparent"],
);

const described = (description: string, schema: Schema = string) => ({ description, schema });

/** Headers of responses, by name; `headers` refers to them. */
export const headerComponents: Readonly<Record<string, object>> = {
  RequestId: described("The id of the call: that of the request, or a new one."),
  AnsweringModel: described("The model that answered, as `name@version`."),
  Revision: described(
    "Revision of the weights by which the version was chosen; 0 before the first rollout.",
  ),
  AnsweringRegion: described("The region that answered."),
  ServerTiming: described("Milliseconds of each stage, and `total`."),
  Trace: described("Why the call went where it went, if the request asks for it: JSON."),
  ExpectedWait: described("The wait that the gateway expected, in milliseconds, with a trace.", {
    type: "number",
  }),
  RetryAfter: described("Delay before a retry, in seconds, rounded up.", { type: "integer" }),
  RetryPushback: described("Delay before a retry, in milliseconds.", { type: "integer" }),
  Authenticate: described("How to authenticate."),
};

/** Headers of a response, by the names of those of the document. */
export const headers = (names: Readonly<Record<string, string>>): object =>
  Object.fromEntries(
    Object.entries(names).map(([name, component]) => [
      name,
      { $ref: `#/components/headers/${component}` },
    ]),
  );

export const replyHeaders: object = headers({
  "x-request-id": "RequestId",
  "server-timing": "ServerTiming",
});

export const scoredHeaders: object = headers({
  "x-request-id": "RequestId",
  "x-tensorgate-model": "AnsweringModel",
  "x-tensorgate-revision": "Revision",
  "x-tensorgate-region": "AnsweringRegion",
  "server-timing": "ServerTiming",
  "x-tensorgate-trace": "Trace",
  "x-tensorgate-expected-wait-ms": "ExpectedWait",
});
