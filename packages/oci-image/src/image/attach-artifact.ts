import { type Descriptor, documentBytes, mediaTypes } from "./documents.ts";
import type { Layout } from "./layout.ts";

/** A document about an image, such as its bill of materials. */
export interface Artifact {
  /** Such as `application/vnd.cyclonedx+json`, of the artifact and of its one layer. */
  readonly artifactType: string;
  readonly bytes: Uint8Array;
  /** Name of the file that tools write. */
  readonly title: string;
}

const emptyType = "application/vnd.oci.empty.v1+json";

/**
 * Puts a document about an image into its layout, as an artifact that refers to it: tools that copy an image with its
 * referrers (`oras cp -r`) bring it along. The same image and document give the same digest.
 *
 * @returns the artifact's manifest
 * @see OCI image specification 1.1, "Guidelines for Artifact Usage"
 */
export async function attachArtifact(
  layout: Layout,
  subject: Descriptor,
  { artifactType, bytes, title }: Artifact,
): Promise<Descriptor> {
  const config = await layout.addBytes(emptyType, documentBytes({}));
  const layer = await layout.addBytes(artifactType, bytes);
  const annotations = { "org.opencontainers.image.title": title };
  const { mediaType, digest, size } = subject;
  const manifest = await layout.addBytes(
    mediaTypes.manifest,
    documentBytes({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType,
      config,
      layers: [{ ...layer, annotations }],
      subject: { mediaType, digest, size },
    }),
  );
  await layout.list({ ...manifest, artifactType, annotations });
  return manifest;
}
