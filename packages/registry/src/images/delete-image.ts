import { rm } from "node:fs/promises";
import {
  type OciDeps,
  OciError,
  openLayout,
  openOciRepository,
  systemOciDeps,
} from "@tensorgate/oci-image";
import type { ImageForm } from "../records.ts";
import type { Registry } from "../registry.ts";
import { RegistryError } from "../registry-error.ts";
import { parseImageName } from "./image-name.ts";

/** An image with the version that it has. */
export interface VersionImage extends ImageForm {
  readonly model: string;
  readonly version: bigint;
  /** Services that run the version. */
  readonly services: readonly string[];
}

/** Lists the images of all versions, sorted by their names. @param labels - those that an image must have */
export async function listImages(
  registry: Registry,
  labels: Readonly<Record<string, string>> = {},
): Promise<readonly VersionImage[]> {
  const found: VersionImage[] = [];
  for (const { name, versions } of await registry.models()) {
    for (const number of versions) {
      const at = { kind: "version", version: number } as const;
      const { images, services, version } = await registry.version({ name, at });
      for (const image of images) found.push({ ...image, model: name, version, services });
    }
  }
  const hasLabels = (image: VersionImage) =>
    Object.entries(labels).every(([key, value]) => image.labels?.[key] === value);
  return found.filter(hasLabels).toSorted((a, b) => (a.reference < b.reference ? -1 : 1));
}

/** What was deleted of an image. */
export interface DeletedImage {
  readonly image: VersionImage;
  /** What could not be deleted and stays, and why. */
  readonly remains: readonly string[];
}

/**
 * Deletes an image: its manifest in the container registry, its layout, and its record.
 *
 * @throws RegistryError `not-found`, or `in-use` while a service runs its version
 */
export async function deleteImage(
  registry: Registry,
  reference: string,
  {
    plainHttp,
    deps = systemOciDeps(),
  }: { readonly plainHttp?: boolean | undefined; readonly deps?: OciDeps } = {},
): Promise<DeletedImage> {
  const all = await listImages(registry);
  const image = all.find((each) => each.reference === reference);
  if (!image) {
    const names = all.map((each) => each.reference).join(", ") || "none";
    throw new RegistryError(
      "not-found",
      `no image "${reference}" in ${registry.directory}; images: ${names}`,
    );
  }
  const { services, model, version } = image;
  if (services.length > 0) {
    throw new RegistryError(
      "in-use",
      `${reference} cannot be deleted, because ${services.join(", ")} runs ${model}@${version}; delete the service first`,
    );
  }
  const remains: string[] = [];
  const { remote } = parseImageName(reference);
  const digest = `sha256:${image.sha256}`;
  if (image.isPushed && remote) {
    const repository = openOciRepository(
      remote,
      plainHttp === undefined ? {} : { plainHttp },
      deps,
    );
    try {
      const isDeleted = await repository.deleteManifest(digest);
      if (!isDeleted) remains.push(`${remote.host} does not delete: ${reference} stays there`);
    } catch (thrown) {
      const isGone = thrown instanceof OciError && thrown.reason === "not-found";
      if (!isGone) throw thrown;
    }
  }
  // Another image may have been written there since.
  if (image.layout !== undefined && (await holdsImage(image.layout, digest))) {
    await rm(image.layout, { recursive: true });
  }
  await registry.forgetUse(model, { kind: "image", reference });
  return { image, remains };
}

async function holdsImage(folder: string, digest: string): Promise<boolean> {
  const images = await openLayout(folder)
    .images()
    .catch(() => []);
  return images.length === 1 && images[0]?.digest === digest;
}
