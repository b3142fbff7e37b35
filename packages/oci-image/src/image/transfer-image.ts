import { copyFile, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { openOciRepository } from "../distribution/oci-client.ts";
import type { OciDeps, OciOptions } from "../distribution/oci-connection.ts";
import { type OciReference, ociText } from "../distribution/oci-reference.ts";
import type { BuiltImage } from "./build-image.ts";
import type { Descriptor } from "./documents.ts";
import { mediaTypes } from "./documents.ts";
import type { Layout } from "./layout.ts";

export interface TransferImageOptions extends OciOptions {
  /** Called with the number of bytes that are there, whenever it grows. */
  readonly onProgress?: (progress: {
    readonly doneBytes: number;
    readonly totalBytes: number;
  }) => void;
}

/** What a push did, in bytes of layers. */
export interface PushedImage {
  /** With its digest, such as `registry.example/shop@sha256:…`. */
  readonly reference: string;
  readonly digest: string;
  readonly sentBytes: number;
  /** Those that were there already. */
  readonly presentBytes: number;
  /** Those that the registry took from the repository of the base. */
  readonly mountedBytes: number;
}

/**
 * Pushes an image. What is there already is not sent again; the layers of a base in the same registry are mounted.
 *
 * @throws OciError
 */
export async function pushImage(
  { layout, image }: { readonly layout: Layout; readonly image: BuiltImage },
  reference: OciReference,
  { options, deps }: { readonly options: TransferImageOptions; readonly deps: OciDeps },
): Promise<PushedImage> {
  const repository = openOciRepository(reference, options, deps);
  const from = image.base?.from;
  const source =
    from?.kind === "registry" && from.reference.host === reference.host
      ? from.reference.repository
      : undefined;
  const totalBytes = image.byteCount;
  let doneBytes = 0;
  const onBytes = (count: number) => {
    doneBytes += count;
    options.onProgress?.({ doneBytes, totalBytes });
  };
  const bytes = { sent: 0, present: 0, mounted: 0 };
  for (const { digest, size } of image.layers) {
    const how = await push(digest, size);
    bytes[how] += size;
    if (how !== "sent") onBytes(size);
  }
  await push(image.config.digest, image.config.size);
  // Last, so that whatever finds the tag finds all of it.
  const manifest = new Uint8Array(await layout.readBlob(image.manifest.digest));
  await repository.putManifest(reference.tag, mediaTypes.manifest, manifest);
  return {
    reference: ociText({ ...reference, tag: image.manifest.digest }),
    digest: image.manifest.digest,
    sentBytes: bytes.sent,
    presentBytes: bytes.present,
    mountedBytes: bytes.mounted,
  };

  async function push(digest: string, size: number): Promise<"present" | "mounted" | "sent"> {
    if (await repository.hasBlob(digest)) return "present";
    const isOfBase = image.base?.manifest.layers.some((layer) => layer.digest === digest);
    if (isOfBase && source !== undefined && (await repository.mountBlob(digest, source))) {
      return "mounted";
    }
    if (isOfBase) await bringBaseLayer({ layout, image }, { digest, size });
    const isLayer = digest !== image.config.digest;
    const file = layout.blobFile(digest);
    await repository.uploadFile({ digest, byteCount: size, file }, isLayer ? onBytes : () => {});
    return "sent";
  }
}

/** Brings the layers of the base into the layout, so that it is whole. @throws OciError */
export async function completeLayout(layout: Layout, image: BuiltImage): Promise<void> {
  for (const layer of image.base?.manifest.layers ?? []) {
    await bringBaseLayer({ layout, image }, layer);
  }
}

async function bringBaseLayer(
  { layout, image }: { readonly layout: Layout; readonly image: BuiltImage },
  { digest, size }: Pick<Descriptor, "digest" | "size">,
): Promise<void> {
  const from = image.base?.from;
  if (!from || (await layout.hasBlob(digest))) return;
  const file = layout.blobFile(digest);
  await mkdir(dirname(file), { recursive: true });
  if (from.kind === "layout") await copyFile(from.layout.blobFile(digest), file);
  else await from.repository.downloadFile({ digest, byteCount: size, file }, () => {});
}
