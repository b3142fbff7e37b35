import { InvalidRequestError } from "@tensorgate/core";
import { versionFrom } from "@tensorgate/registry";
import { z } from "zod";

/** Registers a folder, or a file of a model, of this machine as a new version. */
export interface RegisterRequest {
  readonly from: string;
  readonly description?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly aliases?: readonly string[] | undefined;
  readonly version?: bigint | undefined;
}

/** Changes a description and tags. A tag that is null is removed, as are those of `removeTags`. */
export interface AnnotateRequest {
  readonly description?: string | undefined;
  readonly tags?: Readonly<Record<string, string | null>> | undefined;
  /** For protocol buffers, whose maps have no null. */
  readonly removeTags?: readonly string[] | undefined;
}

/** What the command `registry convert` has flags for. */
export interface ConvertRequest {
  readonly signature?: string | undefined;
  readonly inputs?: readonly string[] | undefined;
  readonly outputs?: readonly string[] | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly maxNodes?: number | undefined;
  readonly maxMemoryBytes?: number | undefined;
  readonly maxDurationMs?: number | undefined;
}

const text = z.string().max(4_096);
const names = z.array(text.min(1)).max(1_024);

/** A string: numbers in JSON cannot hold an int64. A number is taken, too. */
const version = z.union([z.string(), z.int()]).transform((value, context) => {
  const number = versionFrom(String(value));
  if (number !== undefined) return number;
  context.addIssue({ code: "custom", message: `"${value}" is not the number of a version` });
  return z.NEVER;
});

/** A number, or a string: the JSON of protocol buffers writes an int64 as one. */
const count = z
  .union([
    z.int(),
    z
      .string()
      .regex(/^\d{1,15}$/, "expected a whole number")
      .transform(Number),
  ])
  .pipe(z.int().min(1));

const registerSchema = z.strictObject({
  from: text.min(1),
  description: text.optional(),
  tags: z.record(z.string(), text).optional(),
  aliases: names.optional(),
  version: version.optional(),
});
const annotateSchema = z.strictObject({
  description: text.optional(),
  tags: z.record(z.string(), text.nullable()).optional(),
  removeTags: names.optional(),
});
const convertSchema = z.strictObject({
  signature: text.optional(),
  inputs: names.optional(),
  outputs: names.optional(),
  labels: z.array(text).max(100_000).optional(),
  maxNodes: count.optional(),
  maxMemoryBytes: count.optional(),
  maxDurationMs: count.optional(),
});
const aliasSchema = z.strictObject({ version });

/** @throws InvalidRequestError that names each field that is wrong, as the others do */
export const registerRequest = (body: unknown): RegisterRequest => parsed(registerSchema, body);
export const annotateRequest = (body: unknown): AnnotateRequest => parsed(annotateSchema, body);
export const convertRequest = (body: unknown): ConvertRequest => parsed(convertSchema, body);
export const aliasRequest = (body: unknown): { readonly version: bigint } =>
  parsed(aliasSchema, body);

function parsed<Content>(schema: z.ZodType<Content>, body: unknown): Content {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join(".")}: ${message}` : message,
  );
  const field = result.error.issues[0]?.path.join(".") ?? "";
  throw new InvalidRequestError(faults.join("; "), field === "" ? {} : { field });
}
