import { type OciRepository, openOciRepository } from "../distribution/oci-client.ts";
import type { OciDeps, OciOptions } from "../distribution/oci-connection.ts";
import { type OciReference, ociText, parseOciReference } from "../distribution/oci-reference.ts";
import { OciError } from "../oci-error.ts";
import {
  configSchema,
  type Descriptor,
  type ImageConfig,
  type IndexEntry,
  indexSchema,
  type Manifest,
  manifestSchema,
  mediaTypes,
  type Platform,
  parseDocument,
} from "./documents.ts";
import { type Layout, openLayout } from "./layout.ts";

/** An image that layers are put on. */
export interface BaseImage {
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** Where its blobs are: a registry, from which they can be mounted, or a layout. */
  readonly from:
    | {
        readonly kind: "registry";
        readonly reference: OciReference;
        readonly repository: OciRepository;
      }
    | { readonly kind: "layout"; readonly layout: Layout };
}

export interface OpenBaseOptions extends OciOptions {
  readonly platform: Platform;
}

/**
 * Opens an image: `registry.example/base:1`, with or without `oci://`, or the folder of a layout (a path that begins
 * with a dot or a slash).
 *
 * @throws OciError if there is none, or none for the platform
 */
export async function openBaseImage(
  text: string,
  options: OpenBaseOptions,
  deps: OciDeps,
): Promise<BaseImage> {
  if (/^[./]/.test(text)) return baseOfLayout(openLayout(text), options.platform);
  const reference = parseOciReference(text.startsWith("oci://") ? text : `oci://${text}`);
  const repository = openOciRepository(reference, options, deps);
  const found = await repository.getManifest(reference.tag);
  const what = ociText(reference);
  const chosen = isIndex(found.bytes)
    ? chosenImage(parseDocument(found.bytes, indexSchema, what), {
        platform: options.platform,
        what,
      })
    : undefined;
  const bytes = chosen ? (await repository.getManifest(chosen.digest)).bytes : found.bytes;
  const manifest = parseDocument(bytes, manifestSchema, `the manifest of ${what}`);
  const config = parseDocument(
    await repository.getBlob(manifest.config),
    configSchema,
    `the configuration of ${what}`,
  );
  assertPlatform(config, { platform: options.platform, what });
  return { manifest, config, from: { kind: "registry", reference, repository } };
}

async function baseOfLayout(layout: Layout, platform: Platform): Promise<BaseImage> {
  const what = layout.folder;
  let image: Descriptor = chosenImage({ manifests: await layout.images() }, { platform, what });
  let bytes = await layout.readBlob(image.digest);
  if (isIndex(bytes)) {
    image = chosenImage(parseDocument(bytes, indexSchema, what), { platform, what });
    bytes = await layout.readBlob(image.digest);
  }
  const manifest = parseDocument(bytes, manifestSchema, `the manifest of ${what}`);
  const configBytes = await layout.readBlob(manifest.config.digest);
  const config = parseDocument(configBytes, configSchema, `the configuration of ${what}`);
  assertPlatform(config, { platform, what });
  return { manifest, config, from: { kind: "layout", layout } };
}

interface Wanted {
  readonly platform: Platform;
  readonly what: string;
}

function chosenImage(
  { manifests: all }: { readonly manifests: readonly IndexEntry[] },
  { platform, what }: Wanted,
): IndexEntry {
  const manifests = all.filter(({ artifactType }) => artifactType === undefined);
  const [only] = manifests;
  const found =
    manifests.find(
      (each) =>
        each.platform?.os === platform.os && each.platform.architecture === platform.architecture,
    ) ?? (manifests.length === 1 && only?.platform === undefined ? only : undefined);
  if (found) return found;
  const list = manifests.map((each) => (each.platform ? platformText(each.platform) : "unknown"));
  throw new OciError(
    "not-found",
    `${what} has no image for ${platformText(platform)}; it has ${list.join(", ") || "none"}`,
  );
}

function assertPlatform(config: ImageConfig, { platform, what }: Wanted): void {
  if (config.os === platform.os && config.architecture === platform.architecture) return;
  const [has, wanted] = [platformText(config), platformText(platform)];
  throw new OciError("invalid", `${what} is for ${has}, not ${wanted}; set --platform ${has}`);
}

export const platformText = ({ os, architecture }: Platform): string => `${os}/${architecture}`;

function isIndex(bytes: Uint8Array): boolean {
  const text = new TextDecoder().decode(bytes.subarray(0, 4_096));
  return (
    text.includes(mediaTypes.index) ||
    text.includes(mediaTypes.dockerIndex) ||
    /"manifests"\s*:/.test(text)
  );
}
