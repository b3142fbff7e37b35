import { z } from "zod";

/** What a version is kept as. An image is in a container registry, the others are files of the version's folder. */
export const formNames = ["saved-model", "onnx", "preprocessing", "head", "image"] as const;

export type FormName = (typeof formNames)[number];

/** A file of a form. */
export interface FormFile {
  /** Relative to the folder of the version, with slashes. */
  readonly path: string;
  /** In hexadecimal. */
  readonly sha256: string;
  readonly byteCount: number;
}

/** A form of a version that is files. */
export interface FileForm {
  /** Of the list of the files as `sha256sum` writes it, sorted by path; of the file itself if there is only one. */
  readonly sha256: string;
  readonly byteCount: number;
  readonly files: readonly FormFile[];
}

/** A form of a version that is an image of a container registry. */
export interface ImageForm {
  /** Such as `registry.example/resnet50:1`. */
  readonly reference: string;
  /** Digest of its manifest, in hexadecimal. */
  readonly sha256: string;
  readonly byteCount: number;
  readonly labels?: Tags | undefined;
  /** Whether it is in the container registry of its reference. */
  readonly isPushed?: boolean | undefined;
  /** Absolute path of its OCI layout, if it is in one. */
  readonly layout?: string | undefined;
  /** Image that runs the model; undefined if it has nothing but the model. */
  readonly base?: string | undefined;
}

export type FileFormName = Exclude<FormName, "image">;

export type Tags = Readonly<Record<string, string>>;

/** What `registration.json` says of a version. */
export interface Registration {
  readonly description: string;
  readonly tags: Tags;
  /** ISO 8601, in UTC. */
  readonly createdAt: string;
  /** Where it was registered from: a path or a reference. */
  readonly source?: string | undefined;
  readonly forms: Readonly<Partial<Record<FileFormName, FileForm>>>;
}

/** What `model.json` says of a model. Everything that names a version is here, so that a deletion sees it. */
export interface ModelRecord {
  readonly description: string;
  readonly tags: Tags;
  readonly createdAt: string;
  /** Version of each alias. */
  readonly aliases: Readonly<Record<string, bigint>>;
  /** Images by their references. */
  readonly images: Readonly<Record<string, Omit<ImageForm, "reference"> & NamesVersion>>;
  /** Services that run a version, by their names. */
  readonly services: Readonly<Record<string, NamesVersion>>;
  /** Versions that were deleted. Their numbers are not used again. */
  readonly deleted: readonly bigint[];
}

interface NamesVersion {
  readonly version: bigint;
}

/** Written as a text, since numbers of JSON cannot hold 64 bits; a number that a person wrote is read too. */
const version = z
  .union([z.int().min(0), z.string().regex(/^\d{1,19}$/)])
  .transform((value) => BigInt(value));

const tags = z.record(z.string(), z.string()).default({});
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const byteCount = z.int().min(0);

/** A path that stays in the folder of the version. */
export const relativePath: z.ZodType<string> = z
  .string()
  .min(1)
  .max(1_024)
  .refine(
    (path) =>
      !path.includes("\\") &&
      !path.includes("\0") &&
      path.split("/").every((part) => !["", ".", ".."].includes(part)),
    "expected a path inside the folder of the version",
  );

const fileForm = z.object({
  sha256,
  byteCount,
  files: z.array(z.object({ path: relativePath, sha256, byteCount })),
});

export const registrationSchema: z.ZodType<Registration> = z.object({
  description: z.string().default(""),
  tags,
  createdAt: z.string(),
  source: z.string().optional(),
  forms: z
    .object({ "saved-model": fileForm, onnx: fileForm, preprocessing: fileForm, head: fileForm })
    .partial()
    .default({}),
}) as unknown as z.ZodType<Registration>;

export const modelSchema: z.ZodType<ModelRecord> = z.object({
  description: z.string().default(""),
  tags,
  createdAt: z.string(),
  aliases: z.record(z.string(), version).default({}),
  images: z
    .record(
      z.string(),
      z.object({
        version,
        sha256,
        byteCount,
        labels: z.record(z.string(), z.string()).optional(),
        isPushed: z.boolean().optional(),
        layout: z.string().optional(),
        base: z.string().optional(),
      }),
    )
    .default({}),
  services: z.record(z.string(), z.object({ version })).default({}),
  deleted: z.array(version).default([]),
});
