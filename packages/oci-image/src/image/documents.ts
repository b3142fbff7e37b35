import { z } from "zod";
import { OciError } from "../oci-error.ts";

/** @see OCI image specification 1.1, "Media Types" */
export const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  tar: "application/vnd.oci.image.layer.v1.tar",
  tarGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
} as const;

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, "expected sha256 and 64 digits");
const texts = z.record(z.string(), z.string());

/** Names a blob: its type, digest and size in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

const platform = z.looseObject({ os: z.string(), architecture: z.string() });

export type Platform = { readonly os: string; readonly architecture: string };

const descriptor = z.object({
  mediaType: z.string(),
  digest,
  size: z.int().min(0),
  annotations: texts.optional(),
});

/** Lists the layers of an image, the lowest one first. */
export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export const manifestSchema: z.ZodType<Manifest> = z.object({
  config: descriptor,
  layers: z.array(descriptor).max(1_000),
});

/** Names a manifest in an index. */
export interface IndexEntry extends Descriptor {
  readonly platform?: Platform | undefined;
  /** Of a document about an image, which is no image itself. */
  readonly artifactType?: string | undefined;
}

/** An image for several processors, or the beginning of a layout. */
export interface Index {
  readonly manifests: readonly IndexEntry[];
}

export const indexSchema: z.ZodType<Index> = z.object({
  manifests: z
    .array(
      descriptor.extend({ platform: platform.optional(), artifactType: z.string().optional() }),
    )
    .max(1_000),
});

/** What an image runs. Members that are not read here are kept. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly string[] };
  readonly history?: readonly object[] | undefined;
}

export const configSchema: z.ZodType<ImageConfig> = z.looseObject({
  architecture: z.string(),
  os: z.string(),
  config: z.record(z.string(), z.unknown()).optional(),
  rootfs: z.object({ type: z.string(), diff_ids: z.array(digest) }),
  history: z.array(z.looseObject({})).optional(),
});

/**
 * Reads a document of an image.
 *
 * @param what - for messages, such as `the manifest of registry.example/base:1`
 * @throws OciError `invalid`
 */
export function parseDocument<Content>(
  bytes: Uint8Array,
  schema: z.ZodType<Content>,
  what: string,
): Content {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new OciError("invalid", `${what} is not valid JSON`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") || "a fault";
  throw new OciError("invalid", `${what} is not one of an image: ${where}: ${issue?.message}`);
}

/** Writes a document. The same value gives the same bytes. */
export function documentBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}
