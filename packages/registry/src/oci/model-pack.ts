import { z } from "zod";
import type { ModelVersion } from "../model-folder.ts";
import { versionFrom } from "../names.ts";
import { type FormFile, relativePath } from "../records.ts";
import { RegistryError } from "../registry-error.ts";

/** Media types of the CNCF's ModelPack. @see https://github.com/modelpack/model-spec, version 0.0.7 */
export const mediaTypes = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  artifact: "application/vnd.cncf.model.manifest.v1+json",
  config: "application/vnd.cncf.model.config.v1+json",
  weights: "application/vnd.cncf.model.weight.v1.raw",
  weightConfig: "application/vnd.cncf.model.weight.config.v1.raw",
} as const;

/** Annotations: paths of files as ModelPack and as ORAS name them, and what our registry knows of the version. */
const keys = {
  path: "org.cncf.model.filepath",
  title: "org.opencontainers.image.title",
  description: "org.opencontainers.image.description",
  name: "dev.tensorgate.model.name",
  version: "dev.tensorgate.model.version",
  tags: "dev.tensorgate.model.tags",
  /** ORAS's mark of a layer that is a packed folder. */
  unpack: "io.deis.oras.content.unpack",
} as const;

/** A file as a layer of an artifact. */
export interface Layer {
  readonly path: string;
  readonly digest: string;
  readonly byteCount: number;
}

/** The documents of an artifact. The same version gives the same bytes. */
export interface ModelPack {
  readonly config: Uint8Array<ArrayBuffer>;
  /** @param config - its digest */
  manifest(config: string): Uint8Array<ArrayBuffer>;
  readonly layers: readonly Layer[];
}

export function modelPack(version: ModelVersion): ModelPack {
  const files = Object.values(version.forms)
    .flatMap((form) => form.files)
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const layers = files.map(layerOf);
  const config = encoded({
    descriptor: {
      name: version.name,
      version: String(version.version),
      ...(version.description !== "" && { description: version.description }),
    },
    config: { format: version.forms.onnx ? "onnx" : "tensorflow" },
    modelfs: { type: "layers", diffIds: layers.map(({ digest }) => digest) },
  });
  return {
    config,
    layers,
    manifest: (digest) =>
      encoded({
        schemaVersion: 2,
        mediaType: mediaTypes.manifest,
        artifactType: mediaTypes.artifact,
        config: { mediaType: mediaTypes.config, digest, size: config.length },
        layers: layers.map(({ path, digest: layer, byteCount }) => ({
          mediaType: /\.(json|txt|pbtxt)$/.test(path)
            ? mediaTypes.weightConfig
            : mediaTypes.weights,
          digest: layer,
          size: byteCount,
          annotations: { [keys.path]: path, [keys.title]: path },
        })),
        annotations: {
          [keys.name]: version.name,
          [keys.version]: String(version.version),
          ...(version.description !== "" && { [keys.description]: version.description }),
          ...(Object.keys(version.tags).length > 0 && {
            [keys.tags]: JSON.stringify(version.tags),
          }),
        },
      }),
  };
}

const layerOf = ({ path, sha256, byteCount }: FormFile): Layer => ({
  path,
  digest: `sha256:${sha256}`,
  byteCount,
});

const encoded = (value: unknown): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(JSON.stringify(value));

const digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, "expected sha256 and 64 hexadecimal digits");
const annotations = z.record(z.string(), z.string()).nullish();

const manifestSchema = z.object({
  layers: z
    .array(z.object({ digest, size: z.int().min(0), annotations }))
    .min(1, "it has no layers")
    .max(10_000),
  annotations,
});

/** What a manifest says of a version. */
export interface PackedVersion {
  readonly name: string | undefined;
  readonly version: bigint | undefined;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly layers: readonly Layer[];
}

/**
 * Reads a manifest of ours, of ORAS, or of another tool that names its files.
 *
 * @param where - for messages
 * @throws RegistryError `remote` if it is not one, or names files that leave the folder
 */
export function readManifest(bytes: Uint8Array, where: string): PackedVersion {
  const fault = (text: string) => new RegistryError("remote", `${where} is not a model: ${text}`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw fault("its manifest is not valid JSON");
  }
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw fault(`its manifest has ${issue?.path.join(".") || "a fault"}: ${issue?.message}`);
  }
  const layers = parsed.data.layers.map(({ digest: of, size, annotations: said }) => {
    const path = said?.[keys.path] ?? said?.[keys.title];
    if (path === undefined) throw fault("a layer has no file name; it may be an image");
    if (said?.[keys.unpack] === "true") throw fault(`"${path}" is a packed folder; push files`);
    if (!relativePath.safeParse(path).success) throw fault(`a file is called "${path}"`);
    return { path, digest: of, byteCount: size };
  });
  const twice = layers.find(
    ({ path }, at) => layers.findIndex((each) => each.path === path) !== at,
  );
  if (twice) throw fault(`two files are called "${twice.path}"`);
  const about = parsed.data.annotations ?? {};
  return {
    name: about[keys.name],
    version: versionFrom(about[keys.version] ?? ""),
    description: about[keys.description] ?? "",
    tags: tagsFrom(about[keys.tags]),
    layers,
  };
}

function tagsFrom(text: string | undefined): Readonly<Record<string, string>> {
  try {
    return z.record(z.string(), z.string()).parse(JSON.parse(text ?? "{}"));
  } catch {
    return {};
  }
}
